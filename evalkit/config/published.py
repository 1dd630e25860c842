"""Networks trained on ImageNet that torchvision publishes, and what their files are known by."""

from __future__ import annotations

from typing import Literal

TrunkName = Literal["alexnet", "vgg16"]

#: SHA-256 of torchvision's own files, alexnet-owt-7be5be79.pth and vgg16-397923af.pth; their names hold its beginning.
PUBLISHED: dict[TrunkName, str] = {
    "alexnet": "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    "vgg16": "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
}
