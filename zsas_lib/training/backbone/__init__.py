"""The training of the embedded backbone, a small CLIP in open_clip's own architecture (``backbone.json`` beside the
embedded data); ``python -m zsas_lib.training.backbone`` trains it anew.

A batch holds pairs of one shot, sound and damaged, so that nothing but the damage tells them apart. The text tower
learns to hold normal and abnormal sentences apart, along one direction for all products. Windows of 2x2 and 3x3
patches, encoded from their own patches and the class token alone as WinCLIP does, and whole pictures are compared with
the two sentences about their product, by their class token and by every patch; whole pictures are compared with the
names in the batch; later, patches also tell what the damage did to their colours (``losses``). In a second stage the
rate starts again and whole pictures learn at CLIP's temperature of 0.01: asked at WinCLIP's 0.07, they then have a mild
say in its harmonic means, as real CLIPs' do, and an anomalous picture that looks sound as a whole is not silenced.

The third stage takes the place away: positions repeat every two patches, so that a window knows what lies beside what
and not where in the picture that is. Most of its pairs come from anywhere (``scenes``): parts off centre, cut by the
frame or filling it, on any ground, under structure that is sound, with tones and shapes as any photograph may have
them. The text tower stays as the first two stages left it. ``--begin FILE`` starts the third stage from a weights file,
also from one that it has made, with new pictures. At the end of each call the weights are rounded to half precision.

How the package's weights were made: the first two stages in two hours and a quarter on one core; the third on one
NVIDIA H200, in 131 and 208 s, as the file's metadata say. In the first of these two runs half of the pairs were scenes,
without smears, mottling, cast shadows and uneven outlines, and rings, print and colours were wilder; it ends at 0.947
pixel AUROC, 0.811 AUPRO and 0.900 image AUROC of WinCLIP on embedded-b, the second at 0.952, 0.819 and 0.923, where the
first two stages had 0.925, 0.752 and 0.822.
"""
