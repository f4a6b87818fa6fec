"""Finished networks for the tests of packed ones, and a torch model that sums signs exactly."""

from __future__ import annotations

import copy
from types import MethodType

import torch
from torch import nn

from stompp_lite import LabResNet, binarize_model, mlp
from stompp_lite.networks.bert import POOLER, Bert
from stompp_lite.networks.families import BiRealNet, Transformer, mobilenet, resnet
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


#: Name -> a float model of token ids, and the length of a text.
TOKENS = {
    "sentences": (lambda: Transformer(30, 8, 2, width=32), (8,)),
    "characters": (lambda: Transformer(30, 8, width=96, heads=3), (8,)),
    "bert": (lambda: Bert(2, 30, 8, width=80), (8,)),
}


def of_tokens(name, **rules):
    """A finished network of :data:`TOKENS`, and ids."""
    make, shape = TOKENS[name]
    return finished(make, shape, ids=30, keep_float=POOLER if name == "bert" else (), **rules)


def finished(make, shape, seed=0, passes=2, ties=True, ids=0, **rules):
    """A converted network, committed, with statistics and norms of all kinds; and a batch.

    With ``ids`` the batch holds whole numbers below it, and the last text has none but padding.
    """

    def batch(count):
        if not ids:
            return torch.randn(count, *shape)
        drawn = torch.randint(1, ids, (count, *shape))
        drawn[:, 5:] *= torch.arange(count)[:, None] % 2  # every other text is shorter
        return drawn

    torch.manual_seed(seed)
    model = binarize_model(make(), batch(1), **rules)
    for site in sites(model).values():
        site.p = float(site.rule.name != "float")
    with torch.no_grad():
        for _ in range(passes):
            model.train()(batch(6))
        for module in model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.weight.normal_()  # slopes of both signs
                module.bias.normal_(0.0, 0.3)
                module.weight[0] = 0.0
                if ties:  # sums of 0 decide
                    module.weight[-1], module.bias[-1], module.running_mean[-1] = 1.0, 0.0, 0.0
            if ids and isinstance(module, nn.Linear | nn.LayerNorm):
                module.bias.normal_()  # the library's BERT starts with zeros
    found = batch(4)
    if ids:
        found[-1] = 0
    return model.eval(), found


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
