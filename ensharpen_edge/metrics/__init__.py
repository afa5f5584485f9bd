"""Image quality: PSNR, SSIM and the retained sharpening gain. Ranges are always explicit, never guessed."""
