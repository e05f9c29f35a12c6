"""Results, found again by what produced them."""
