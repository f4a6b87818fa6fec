"""Finished networks for the tests of packed ones, and a torch model that sums signs exactly."""

from __future__ import annotations

import copy
from types import MethodType

import torch
from torch import nn

from stompp_lite import LabResNet, binarize_model, mlp
from stompp_lite.networks.families import BiRealNet, mobilenet, resnet
from stompp_lite.networks.layers import BinaryConv2d, binary_layers, sites
from stompp_lite.networks.models import residual_mlp

#: Name -> a float model and the shape of a sample.
NETWORKS = {
    "lab": (lambda: LabResNet(1, 3, 16, (1, 1)), (1, 6, 6)),
    "perceptron": (lambda: mlp(36, 3, 80, 3), (1, 6, 6)),
    "residual perceptron": (lambda: residual_mlp(36, 3, 20, 2), (36,)),
    "resnet18": (lambda: resnet("resnet18", 5), (3, 16, 16)),
    "resnet18 imagenet": (lambda: resnet("resnet18", 5, "imagenet"), (3, 32, 32)),
    "resnet50": (lambda: resnet("resnet50", 5), (3, 8, 8)),
    "bireal": (lambda: BiRealNet(5, blocks=(2, 2), width=16), (3, 8, 8)),
    "mobilenet": (lambda: mobilenet(5, width=0.25, blocks=(1, 1, 1)), (3, 16, 16)),
}


def finished(make, shape, seed=0, passes=2, ties=True, **rules):
    """A converted network, committed, with statistics and norms of all kinds; and a batch."""
    torch.manual_seed(seed)
    model = binarize_model(make(), torch.zeros(1, *shape), **rules)
    for site in sites(model).values():
        site.p = float(site.rule.name != "float")
    with torch.no_grad():
        for _ in range(passes):
            model.train()(torch.randn(6, *shape))
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.weight.normal_()  # slopes of both signs
                module.bias.normal_(0.0, 0.3)
                module.weight[0] = 0.0
                if ties:  # sums of 0 decide
                    module.weight[-1], module.bias[-1], module.running_mean[-1] = 1.0, 0.0, 0.0
    return model.eval(), torch.randn(4, *shape)


def exact(model):
    """A copy that takes each sum of signs as a whole number, and scales it after that."""
    model = copy.deepcopy(model)

    def forward(self, x):
        signs = self.binary_weight().to(x)
        conv = isinstance(self, BinaryConv2d)
        z = self._conv_forward(x, signs, None) if conv else nn.functional.linear(x, signs)
        shape = (-1, 1, 1) if conv else (-1,)
        z = z * self.alpha().reshape(shape) if self.binarizer.rule.scale else z
        return z if self.bias is None else z + self.bias.reshape(shape)

    for layer in binary_layers(model).values():
        layer.forward = MethodType(forward, layer)
    return model
