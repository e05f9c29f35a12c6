"""What single papers ask: few-shot, defect groups, ablations, the audit."""
