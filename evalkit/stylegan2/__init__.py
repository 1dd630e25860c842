"""StyleGAN2 in plain torch: networks, training with adaptive augmentation, and safe reading of others' checkpoints.

Written from the papers: Karras et al., "Analyzing and improving the image quality of StyleGAN" (CVPR 2020), and
"Training generative adversarial networks with limited data" (NeurIPS 2020, adaptive augmentation).
"""
