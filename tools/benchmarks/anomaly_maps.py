"""Compare our makers of anomaly maps with plain ones, in one run.

Both make maps of the same images with the same random weights. Each is timed
in processes of its own, in turn; the ratio of their rates is what counts.
"""

import argparse
import sys
from collections.abc import Callable

import open_clip
import torch
from limits import matrix_rate
from mmpretrain.structures import DataSample
from plain_coreset import plain_coreset
from plain_kead import plain_maps, plain_texts
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from turns import (
    apart,
    clock,
    device,
    in_turns,
    median_of,
    peaks,
    print_table,
    ratio,
    say,
)

from mmcvgssl.models import TimmTeacher
from mmcvgssl.models.anomaly import KeAD, MuSc, PatchCore, greedy_coreset
from mmcvgssl.models.anomaly.patch_features import as_rows

TOWERS = ('small', 'ViT-B-16-plus-240')
CATEGORY = 'steel_strip'
WARM_UP = 1
DESCRIBED = 10  # references that a network looks at


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parts = parser.add_subparsers(dest='part', required=True)
    kead = parts.add_parser('kead', help='maps by words and V-V attention')
    gpu = device() == 'cuda'
    kead.add_argument('--tower', choices=TOWERS, default=TOWERS[gpu])
    kead.set_defaults(measure=measure_kead, compare=compare_kead)
    memory = parts.add_parser('memory', help='maps by a bank of patches')
    memory.add_argument('--bank', type=int, default=10_000)
    memory.add_argument('--size', type=int, default=224)
    memory.set_defaults(measure=measure_memory, compare=compare_memory)
    coreset = parts.add_parser('coreset', help='the choice of the bank')
    coreset.add_argument('--patches', type=int, default=50_000)
    coreset.add_argument('--chosen', type=int, default=5_000)
    coreset.set_defaults(measure=measure_coreset, compare=compare_coreset)
    mutual = parts.add_parser('musc', help='maps by the other images')
    mutual.add_argument('--size', type=int, default=512)
    mutual.add_argument('--level', type=int, default=3, help='of the network')
    mutual.add_argument('--references', type=int, default=100)
    mutual.set_defaults(measure=measure_musc, compare=compare_musc)
    for part in (kead, memory, coreset, mutual):
        part.add_argument('--batch-size', type=int, default=64 if gpu else 8)
        part.add_argument('--iters', type=int, default=20 if gpu else 4)
        part.add_argument('--rounds', type=int, default=3)
    mutual.set_defaults(batch_size=16 if gpu else 2, iters=4 if gpu else 1)
    return parser.parse_args()


# what is measured


def small_clip() -> nn.Module:
    """Make a narrow tower of 12 blocks and 15 x 15 patches."""
    vision = dict(layers=12, width=192, patch_size=16, image_size=240)
    text = dict(width=128, heads=2, layers=4)
    return open_clip.CLIP(128, vision, text)


def make_kead(tower: str, **kwargs) -> KeAD:
    """Make a KeAD with random weights."""
    torch.manual_seed(0)
    options = dict(knowledge=CATEGORY, allow_random=True, **kwargs)
    if tower == 'small':
        model = KeAD(clip=small_clip(), **options)
    else:
        model = KeAD(tower, **options)
    return model.to(device())


def random_images(n: int) -> Tensor:
    """Make images [N, 3, 240, 240] in [0, 1]."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(n, 3, 240, 240, generator=generator).to(device())


def measure_kead(args: argparse.Namespace, kind: str) -> dict:
    """Time KeAD or the plain one."""
    half = 'bfloat16' if 'bfloat16' in kind else None
    model = make_kead(args.tower, autocast=half)
    images = random_images(args.batch_size)
    if kind.startswith('ours'):
        run = model.predict_maps
        options = {}
    else:
        run = plain_maps
        cached = 'cached' in kind
        options = {
            'texts': plain_texts(model, CATEGORY) if cached else None,
            'category': CATEGORY,
            'kead': model,
        }
    found = rate(lambda: run(images=images, **options), args)
    if half:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run(images=images[:1])
        work = found['rate'] * counter.get_total_flops() / 1e12
        found['of_matrices'] = work / matrix_rate(device(), torch.bfloat16)
    return found


def compare_kead(args: argparse.Namespace) -> dict:
    """Make maps both ways and return the largest differences."""
    images = random_images(args.batch_size)
    model = make_kead(args.tower)
    maps, scores = model.predict_maps(images)
    plain = plain_maps(model, images, CATEGORY)
    half = make_kead(args.tower, autocast='bfloat16').predict_maps(images)
    own = model.clip.encode_image(model.preprocess(images))
    return {
        'maps': gap(maps, plain[0]),
        'scores': gap(scores, plain[1]),
        'maps in bfloat16': gap(half[0], plain[0]),
        "embeddings, to open_clip's": gap(
            model.path(model.preprocess(images))[1], own
        ),
    }


def make_memory(args: argparse.Namespace) -> tuple[PatchCore, Tensor]:
    """Make a bank of random textures' patches, and images to score."""
    torch.manual_seed(0)
    teacher = TimmTeacher(
        weights='package:efficientnet-lite0', levels=(3,), input_size=args.size
    )
    model = PatchCore(teacher, coreset_size=args.bank).to(device())
    images = textures(args.batch_size, args.size)
    grid = model.features(images[:1]).shape[2] ** 2
    rows = [
        as_rows(model.features(textures(8, args.size, seed)))
        for seed in range(-(-args.bank // (8 * grid)))
    ]
    model.state = {'memory': torch.cat(rows)[: args.bank]}
    return model, images


def textures(n: int, size: int, seed: int = -1) -> Tensor:
    """Make images [N, 3, size, size] of smooth noise in [0, 1]."""
    random = torch.Generator().manual_seed(seed + 2)
    coarse = torch.rand(n, 3, size // 8, size // 8, generator=random)
    fine = torch.rand(n, 3, size, size, generator=random)
    smooth = nn.functional.interpolate(coarse, (size, size), mode='bilinear')
    return (0.7 * smooth + 0.3 * fine).to(device())


def plain_memory(model: PatchCore, images: Tensor) -> tuple[Tensor, Tensor]:
    """Score images by a table of all distances."""
    maps = model.features(images)
    table = torch.cdist(as_rows(maps), model.state['memory'])
    values = table.min(1).values.view(len(images), *maps.shape[-2:])
    return values, values.amax((1, 2))


def measure_memory(args: argparse.Namespace, kind: str) -> dict:
    """Time scoring by a bank."""
    model, images = make_memory(args)
    if kind == 'ours':
        return rate(lambda: model.predict_maps(images), args)
    return rate(lambda: plain_memory(model, images), args)


def compare_memory(args: argparse.Namespace) -> dict:
    """Score both ways and return the largest differences."""
    model, images = make_memory(args)
    ours, plain = model.predict_maps(images), plain_memory(model, images)
    return {'maps': gap(ours[0], plain[0]), 'scores': gap(ours[1], plain[1])}


def make_musc(args: argparse.Namespace) -> tuple[MuSc, Tensor]:
    """Make references of random textures, and other images to score."""
    teacher = TimmTeacher(
        weights='package:efficientnet-lite0',
        levels=(args.level,),
        input_size=args.size,
    )
    model = MuSc(teacher).to(device())
    count = min(args.references, DESCRIBED)
    made = [textures(1, args.size, i)[0] for i in range(count)]
    batch = [(image * 255).to(torch.uint8) for image in made]
    model.fit([dict(inputs=batch, data_samples=[DataSample() for _ in batch])])
    # others are these, a little longer
    for name, known in model.state.items():
        parts = [known * (1 + i / 100) for i in range(args.references)]
        model.state[name] = torch.cat(parts)[: args.references].to(known)
    return model, textures(args.batch_size, args.size)


def table_at_once(rows: Tensor, memory: Tensor) -> Tensor:
    """Return distances to images, [n, R], as MuSc's authors compute them.

    All distances of an image lie in memory, or those that 1 GiB has room for.
    """
    many = memory.shape[1]
    group = max((1 << 28) // (len(rows) * many), 1)
    found = []
    for part in memory.split(group):
        table = torch.cdist(rows[None], part.flatten(0, 1)[None])[0]
        found.append(table.unflatten(1, (-1, many)).min(2)[0])
    return torch.cat(found, 1)


def table_by_pairs(rows: Tensor, memory: Tensor) -> Tensor:
    """Return distances to images, [n, R], by a product for each image."""
    found = [
        torch.addmm(m.square().sum(1), rows, m.T, alpha=-2).amin(1)
        for m in memory
    ]
    own = rows.square().sum(1, keepdim=True)
    return (torch.stack(found, 1) + own).clamp(min=0).sqrt()


def plain_musc(
    model: MuSc, images: Tensor, distances: Callable[[Tensor, Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Score images by all distances to the references."""
    levels = model.teacher.local_features(images)
    values = []
    for i, scale in enumerate(model.scales):
        maps = scale.join(levels)
        memory = model.state[f'patches.{i}'].to(maps)
        count = max(round(model.share * len(memory)), 1)
        for rows in as_rows(maps).chunk(len(images)):
            nearest = distances(rows, memory).topk(count, 1, largest=False)
            values.append(nearest.values.mean(1))
    means = torch.stack(values).unflatten(0, (len(model.scales), -1)).mean(0)
    return means.view(-1, *maps.shape[-2:]), means.amax(1)


def measure_musc(args: argparse.Namespace, kind: str) -> dict:
    """Time scoring by the other images."""
    model, images = make_musc(args)
    if kind == 'ours':
        return rate(lambda: model.predict_maps(images), args)
    way = table_at_once if kind == 'plain' else table_by_pairs
    return rate(lambda: plain_musc(model, images, way), args)


def compare_musc(args: argparse.Namespace) -> dict:
    """Score both ways and return the largest differences."""
    model, images = make_musc(args)
    ours = model.predict_maps(images)
    plain = plain_musc(model, images, table_by_pairs)
    return {
        'maps': gap(ours[0], plain[0]),
        'scores': gap(ours[1], plain[1]),
        'maps, a share of their range': gap(ours[0], plain[0])
        / float(plain[0].max() - plain[0].min()),
    }


def coreset_patches(args: argparse.Namespace) -> Tensor:
    """Make patches [n, 112] of random textures."""
    torch.manual_seed(0)
    teacher = TimmTeacher(
        weights='package:efficientnet-lite0', levels=(3,), input_size=256
    )
    model = PatchCore(teacher).to(device())
    rows: list[Tensor] = []
    while sum(map(len, rows)) < args.patches:
        images = textures(16, 256, seed=len(rows))
        rows.append(as_rows(model.features(images)))
    return torch.cat(rows)[: args.patches]


def measure_coreset(args: argparse.Namespace, kind: str) -> dict:
    """Time the choice of a coreset."""
    patches = coreset_patches(args)
    start = clock()
    if kind == 'ours':
        greedy_coreset(patches, args.chosen)
    else:
        first = int(greedy_coreset(patches, 1)[0])
        plain_coreset(patches, args.chosen, first)
    seconds = clock() - start
    print(f'{kind}: {seconds:.1f} s', file=sys.stderr)
    return {'rate': 1 / seconds, **peaks()}


def compare_coreset(args: argparse.Namespace) -> dict:
    """Choose both ways; return how far the rest is from what was chosen."""
    patches = coreset_patches(args)
    chosen = min(args.chosen, 1000)
    ours = greedy_coreset(patches, chosen)
    plain = plain_coreset(patches, chosen, int(ours[0]))
    radii = [
        float(torch.cdist(patches, patches[c]).min(1).values.max())
        for c in (ours, plain)
    ]
    return {'the radius of the cover': abs(radii[0] - radii[1])}


KINDS = {
    'kead': ('plain', 'plain, words cached', 'ours', 'ours, bfloat16'),
    'memory': ('plain', 'ours'),
    'coreset': ('plain', 'ours'),
    'musc': ('plain', 'plain, products of pairs', 'ours'),
}


UNITS = dict.fromkeys(KINDS, 'images/s') | {'coreset': 'choices/s'}


# how


def gap(ours: Tensor, theirs: Tensor) -> float:
    """Return the largest difference."""
    return float((ours - theirs).abs().max())


@torch.no_grad()
def rate(run: Callable[[], object], args: argparse.Namespace) -> dict:
    """Return images a second and peak memory in MiB."""
    for _ in range(WARM_UP):
        run()
    start = clock()
    for _ in range(args.iters):
        run()
    seconds = clock() - start
    return {'rate': args.iters * args.batch_size / seconds, **peaks()}


def measure(args: argparse.Namespace, kind: str) -> dict:
    """Time a kind of the part."""
    return args.measure(args, kind)


@torch.no_grad()
def compare(args: argparse.Namespace) -> dict:
    """Return the largest differences of the part."""
    return args.compare(args)


def main() -> None:
    """Measure in turn and print medians and ratios."""
    args = parse_args()
    for name, value in apart(compare, args).items():
        print(f'largest difference of {name}: {value:.1e}')
    kinds, unit = KINDS[args.part], UNITS[args.part]
    found = in_turns(measure, args, kinds, unit)
    print_table(found, kinds[0], unit)
    values = {}
    for kind in kinds[1:]:
        values[f'{kind}, times plain'] = ratio(found, kind, kinds[0])
        if 'of_matrices' in found[kind][0]:
            share = median_of(found, kind, 'of_matrices')
            values[f'{kind}, % of bfloat16 matrix rate'] = 100 * share
    say(values)


if __name__ == '__main__':
    main()
