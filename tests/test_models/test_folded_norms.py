"""Batch norms as parts of convolutions."""

import pytest
import timm
import torch
from mmpretrain.models import ResNet
from timm.layers import StdConv2d
from torch import Tensor, nn

from mmcvgssl.models import TimmTeacher
from mmcvgssl.models.layers import global_pool
from mmcvgssl.models.teachers.folded_norms import fold_norms

EXAMPLE = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def stirred(network: nn.Module) -> nn.Module:
    """Give norms statistics and weights of their own."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.5)
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.3)
    return network.eval().requires_grad_(False)


def norms(network: nn.Module) -> int:
    """Count batch norms."""
    return sum(isinstance(m, nn.BatchNorm2d) for m in network.modules())


class Host(nn.Module):
    """A host's network with one output."""

    def __init__(self) -> None:
        super().__init__()
        self.net = ResNet(18)

    def forward(self, images: Tensor) -> Tensor:
        """Pool the last map."""
        return global_pool(self.net(images))


def lite0() -> nn.Module:
    """Return a network whose norms hold its activations."""
    return timm.create_model('tf_efficientnet_lite0', num_classes=0)


def with_bias() -> nn.Module:
    """Return convolutions that have a bias, and norms without weights."""
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, affine=False), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8), nn.Flatten()),
    )


@pytest.mark.parametrize('make', [lite0, Host, with_bias])
def test_a_folded_network_computes_the_same(make):
    network = stirred(make())
    before = {k: v.clone() for k, v in network.state_dict().items()}
    assert norms(network) > 1
    folded = fold_norms(network, lambda n: [n(EXAMPLE)])
    assert norms(folded) == 0
    other = 3 * EXAMPLE.flip(-1) + 1
    wanted = network(other)
    torch.testing.assert_close(
        *(folded(other), wanted),
        rtol=1e-4,
        atol=1e-5 * float(wanted.abs().max()),
    )
    after = network.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)


class Shared(nn.Module):
    """One convolution before two norms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.one, self.two = nn.BatchNorm2d(8), nn.BatchNorm2d(8)

    def forward(self, images: Tensor) -> Tensor:
        """Norm in two ways."""
        made = self.conv(images)
        return self.one(made) + self.two(made)


class Used(nn.Module):
    """A convolution whose output is needed beside its norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)

    def forward(self, images: Tensor) -> Tensor:
        """Add what is normed."""
        made = self.conv(images)
        return made + self.norm(made)


class Twice(nn.Module):
    """A convolution that is called twice, once without its norm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        """Pass the same weights twice."""
        return self.conv(self.norm(self.conv(images)))


def standardized() -> nn.Module:
    """Return a convolution that changes its own weights."""
    return nn.Sequential(StdConv2d(3, 8, 3), nn.BatchNorm2d(8))


def aliased() -> nn.Module:
    """Return a norm that stands in two places."""
    norm = nn.BatchNorm2d(8)
    convs = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)
    return nn.Sequential(convs[0], norm, convs[1], norm)


def norm_first() -> nn.Module:
    """Return a norm that no convolution is before."""
    return nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3))


@pytest.mark.parametrize(
    'make', [Shared, Used, Twice, standardized, aliased, norm_first]
)
def test_what_cannot_be_folded_stays(make):
    network = stirred(make())
    folded = fold_norms(network, lambda n: [n(EXAMPLE)])
    assert folded is network


def test_other_norms_beside_it_do_not_keep_one_from_being_folded():
    class Some(nn.Sequential):
        pass

    network = stirred(
        Some(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), norm_first_of(8))
    )
    folded = fold_norms(network, lambda n: [n(EXAMPLE)])
    assert norms(network) == 2
    assert norms(folded) == 1
    torch.testing.assert_close(folded(EXAMPLE), network(EXAMPLE))


def norm_first_of(width: int) -> nn.Module:
    """Return an activation, a norm and a convolution."""
    layers = nn.ReLU(), nn.BatchNorm2d(width), nn.Conv2d(width, 4, 3)
    return nn.Sequential(*layers)


def test_half_precision_stays_as_it_is():
    network = stirred(with_bias()).bfloat16()
    example = EXAMPLE.bfloat16()
    assert fold_norms(network, lambda n: [n(example)]) is network


def teacher() -> TimmTeacher:
    """Return a teacher with norms of its own."""
    return TimmTeacher(
        tower=stirred(timm.create_model('resnet18')), input_size=64
    )


def expected(teacher: TimmTeacher, images: Tensor) -> Tensor:
    """Embed with the tower as it is."""
    prepared = teacher.preprocess(images)
    features = teacher.tower.forward_features(prepared)
    return teacher.tower.forward_head(features, pre_logits=True)


def test_a_teacher_runs_without_norms_and_keeps_its_state():
    own = teacher()
    names = set(own.state_dict())
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode(), torch.autocast('cpu'):
        own(images)  # the first use, wherever it is
    assert norms(own.network) == 0
    assert norms(own.tower) == 20
    assert set(own.state_dict()) == names
    assert not any(p.requires_grad for p in own.network.parameters())
    torch.testing.assert_close(
        own(images), expected(own, images), rtol=1e-4, atol=1e-4
    )


def test_a_teacher_notices_other_weights():
    own, images = teacher(), torch.rand(2, 3, 64, 64)
    before = own(images)
    torch.manual_seed(1)
    other = stirred(timm.create_model('resnet18'))
    for module in other.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean += 0.5
    own.tower.load_state_dict(other.state_dict())
    after = own(images)
    assert float((after - before).abs().max()) > 0.01
    torch.testing.assert_close(
        after, expected(own, images), rtol=1e-4, atol=1e-4
    )
    network = own.network
    own(images)
    assert own.network is network  # made once
    own.double()
    torch.testing.assert_close(
        own(images.double()).double(),
        expected(own, images.double()),
        rtol=1e-4,
        atol=1e-4,
    )
