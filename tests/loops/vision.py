"""timm beside a CPU build of torch."""

import functools

import pytest
import torch


def timm():
    """The package timm; without it the test is skipped.

    The torchvision of the package index cannot load its operators beside a CPU build of torch, and stops where it
    describes two of them. They are declared here, and never called: nets, loaders and optimisers use none.
    """
    if torch.version.cuda is None:
        _declare()
    return pytest.importorskip("timm", reason="no timm: install imbench[timm]")


@functools.cache
def _declare():
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
