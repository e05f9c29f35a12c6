"""Image towers by family, behind one interface: `tower.ImageTower`."""
