"""Text features of prompts, computed once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import MMLogger
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from mmcvgssl.models.anomaly.fitted_state import read_notes, read_tensors
from mmcvgssl.models.anomaly.prompts import Prompts
from mmcvgssl.models.anomaly.vv_attention import at_least_float
from mmcvgssl.provenance import digest_tensors, of_versions
from mmcvgssl.utils import atomic_write
from mmcvgssl.weights import check_values

_BATCH = 64


class TextCache:
    """Averages a CLIP's embeddings of prompts and caches the result.

    Entries are named by the digest of the token numbers, of the weights and
    of the versions of the packages that compute, open_clip among them, so that
    neither another wording nor another model or tower meets an old one.

    Args:
        clip: An open_clip model.
        tokenizer: List of texts to token numbers [N, T].
        digest: Digest of the model (:func:`model_digest`).
        folder: Folder of the cached entries; None: in memory only.
    """

    def __init__(
        self,
        clip: nn.Module,
        tokenizer: Callable[[list[str]], Tensor],
        digest: str,
        folder: str | Path | None = None,
    ) -> None:
        self.clip: Any = clip
        self.tokenizer = tokenizer
        self.digest = digest
        self.folder = None if folder is None else Path(folder)
        self._known: dict[Prompts, Tensor] = {}

    def __call__(self, prompts: Prompts) -> Tensor:
        """Return features [3, D] of unit length, on the CPU.

        Rows are those of normal, anomalous and redundant prompts: the mean
        over embeddings of unit length, brought to unit length again.
        """
        if prompts not in self._known:
            self._known[prompts] = self._load(
                [
                    self._tokens(texts)
                    for texts in (
                        prompts.normal,
                        prompts.anomalous,
                        prompts.redundant,
                    )
                ]
            )
        return self._known[prompts]

    def _tokens(self, texts: Sequence[str]) -> Tensor:
        tokens = self.tokenizer(list(texts))
        size = getattr(self.clip, 'vocab_size', None)
        if size is not None and int(tokens.max()) >= size:
            raise ValueError(
                f'the tokenizer gives numbers up to {int(tokens.max())}, but '
                f'this CLIP knows {size} tokens; set `tokenizer` to its own'
            )
        return tokens

    def _load(self, kinds: list[Tensor]) -> Tensor:
        if self.folder is None:
            return self._encode(kinds)
        versions = of_versions(also=('open_clip', 'timm'), reading=False)
        digest = hashlib.sha256(f'{self.digest}{versions.digest}'.encode())
        for tokens in kinds:
            digest.update(str(tuple(tokens.shape)).encode())
            digest.update(tokens.cpu().numpy().tobytes())
        name = digest.hexdigest()[:32]
        path = self.folder / f'{name}.safetensors'
        if path.is_file():
            try:
                data = path.read_bytes()
                tensors = read_tensors(data)
                check_values(tensors, str(path))
                if read_notes(data).get('of') == name:
                    return tensors['features']
                raise ValueError('it is of other texts or another model')
            except (OSError, ValueError, KeyError) as error:
                MMLogger.get_current_instance().warning(
                    f'{path} cannot be read and is made again: {error}'
                )
        features = self._encode(kinds)
        notes = {'of': json.dumps(name)}
        atomic_write(path, to_safetensors({'features': features}, notes))
        return features

    @torch.no_grad()
    def _encode(self, kinds: list[Tensor]) -> Tensor:
        device = next(self.clip.parameters()).device
        means = []
        with torch.autocast(device.type, enabled=False):
            for tokens in kinds:
                embedded = [
                    F.normalize(
                        at_least_float(self.clip.encode_text(part.to(device))),
                        dim=-1,
                    )
                    for part in tokens.split(_BATCH)
                ]
                mean = torch.cat(embedded).mean(0)
                means.append(F.normalize(mean, dim=0))
        return torch.stack(means).cpu()


class FixedTexts:
    """Text features that are known already.

    Args:
        features: Prompts to features [3, D], as :class:`TextCache` gives.
    """

    def __init__(self, features: Mapping[Prompts, Tensor]) -> None:
        self._features = dict(features)

    def __call__(self, prompts: Prompts) -> Tensor:
        """Return features [3, D] of unit length, on the CPU."""
        return self._features[prompts]


def model_digest(model: nn.Module) -> str:
    """Digest of a model's structure and weights."""
    # settings that repr() does not show
    heads = [getattr(module, 'num_heads', '') for module in model.modules()]
    return digest_tensors(model.state_dict(), f'{model!r}{heads}')
