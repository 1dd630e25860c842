"""Key layouts of checkpoints: how each tool wraps and names the tensors of a network, and what it stores beside them.

A layout is known by names only, never by the position of a tensor in the file. Nothing here imports torch.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from evalkit.errors import InputError

Naming = Literal["standard", "numbered"]

#: Attribute names under which training code keeps a network; a chain of them may stand before a tensor's own name.
WRAPPERS = (
    "module", "_orig_mod", "model", "net", "network", "base_model", "trunk", "backbone", "encoder", "base_encoder",
    "online", "online_network", "online_encoder", "online_backbone", "learner", "visual", "image_encoder",
    "img_encoder", "vision_encoder", "feature_extractor", "resnet", "densenet", "vit", "cnn", "convnet",
)  # fmt: skip

#: Further names that may stand in the chain, each belonging to the formats that mention it.
_MARKED_WRAPPERS = ("encoder_q", "_feature_blocks", "teacher", "student")

_CHAIN = rf"(?:(?:{'|'.join(WRAPPERS)})\.)*"
_LINK = re.compile(rf"(?:{'|'.join(WRAPPERS + _MARKED_WRAPPERS)})\.")

#: What may be left over beside a complete trunk: the start of a tensor's name without its wrappers, and what it is.
_BESIDE_THE_TRUNK = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (
            r"(fc|classifier|heads?|head_dist|last_linear|linear|linear_head|mlp_head|classification_head)(\.|$)",
            "classification or projection head",
        ),
        # 'projetion' is MLVICX's own spelling.
        (
            r"(projector|projection|projection_head|projection_mlp|proj_head|projetion|contrastive_head|mlp|neck)\.",
            "projection head",
        ),
        (r"(predictor|prediction_head|online_predictor)\.", "predictor"),
        (r"prototypes(\.|$)", "prototypes of a clustering loss"),
        (r"(encoder_k|key_encoder|momentum_\w+|target|target_\w+|ema|ema_\w+)\.", "momentum copy of the network"),
        (r"(queue\w*|\w+_queue|\w+_queue_ptr)$", "queue of keys"),
        (r"(decoder|decoder_\w+|mask_token|masked_embed)(\.|$)", "decoder or mask token of masked pretraining"),
        (r"(cbt\d+|resize_project)\.", "attention and dense projection of MLVICX's pretraining"),
        (r"bn\.(running_mean|running_var|num_batches_tracked)$", "normalisation of the embeddings (Barlow Twins)"),
        (r"(criterion|loss|loss_fn|\w+_loss)(\.|$)", "state of the loss"),
        (r"(online_evaluator|online_finetuner|non_linear_evaluator|evaluator)\.", "probe trained beside the network"),
    )
)


@dataclass(frozen=True)
class Format:
    """One key layout.

    Attributes
    ----------
    name : str
        What a backbone entry's ``format`` says.
    written_by : str
        Who writes such files, for messages.
    prefix : str
        Regular expression for the whole chain of wrappers before a tensor's own name.
    naming : {"standard", "numbered"}
        Torchvision/timm names, or the children of a network numbered in a Sequential.
    mark : str
        Regular expression for a key the file must hold for the format to be detected; not asked of a format that
        the entry names. It tells apart formats that wrap the network alike.
    branch : str
        Of several networks in one file, the one this format takes: a container's or an outermost wrapper's name.
    """

    name: str
    written_by: str
    prefix: str
    naming: Naming = "standard"
    mark: str = ""
    branch: str = ""

    def accepts(self, container: str, prefix: str) -> bool:
        """Say whether tensors at `prefix` of `container` may be the network in this format."""
        if self.branch and self.branch not in {container.rpartition(".")[2], prefix.partition(".")[0]}:
            return False
        return re.fullmatch(self.prefix, prefix) is not None

    def detected_in(self, keys: Iterable[str]) -> bool:
        """Say whether `keys` carry this format's mark."""
        return not self.mark or any(re.search(self.mark, key) for key in keys)

    def reason_to_drop(self, key: str) -> str | None:
        """Say what the tensor `key` beside a complete trunk is, or None if that is not known."""
        bare = key
        while link := _LINK.match(bare):
            wrapper = link.group()[:-1]
            if wrapper in {"teacher", "student"} and wrapper != self.branch:
                return f"the {wrapper} network" if self.branch else None
            bare = bare[link.end() :]
        return next((reason for pattern, reason in _BESIDE_THE_TRUNK if pattern.match(bare)), None)


#: In order of precedence: where several formats describe the same tensors, the first names them.
FORMATS: tuple[Format, ...] = (
    Format(
        "moco", "FAIR MoCo v1 and v2, CheSS, IFA, MoCo-CXR, RetCCL (query encoder)", rf"{_CHAIN}encoder_q\.{_CHAIN}"
    ),
    Format("moco-v3", "MoCo v3", r"(module\.)?base_encoder\.", mark=r"^(module\.)?momentum_encoder\."),
    Format("vissl", "VISSL", rf"{_CHAIN}_feature_blocks\."),
    Format(
        "simclr", "sthalles/SimCLR", r"(module\.)?backbone\.", mark=r"^(module\.)?backbone\.(fc|classifier)\.[02]\."
    ),
    Format(
        "solo-learn",
        "solo-learn, SimSiam, Spijkervet/SimCLR, Barlow Twins, VICReg (a projector or predictor beside the network)",
        r"(module\.)?(encoder|backbone)\.",
        mark=r"^(module\.)?(projector|predictor|prototypes|momentum_(backbone|encoder))\.",
    ),
    Format("dino", "DINO, iBOT (teacher network)", rf"(teacher\.)?{_CHAIN}", branch="teacher"),
    Format("dino-student", "DINO, iBOT (student network)", rf"(student\.)?{_CHAIN}", branch="student"),
    Format("mlvicx", "MLVICX, lightly, RadImageNet (children numbered in a Sequential)", _CHAIN, naming="numbered"),
    Format("dataparallel", "torch.nn.DataParallel or torch.compile", r"((module|_orig_mod)\.)+"),
    Format("lightning", "Lightning and other code that keeps the network as an attribute", rf"(?=.){_CHAIN}"),
    Format("plain", "torchvision, timm and canonical weights", r""),
)

FORMAT_NAMES = tuple(known.name for known in FORMATS)


def format_named(name: str) -> Format:
    """Look up a format.

    Raises
    ------
    InputError
        There is none of that name; the message has the nearest and all others.
    """
    for known in FORMATS:
        if known.name == name:
            return known
    near = difflib.get_close_matches(name, FORMAT_NAMES, n=1)
    raise InputError(
        f"the checkpoint format {name!r} is not known",
        f"one of {', '.join(FORMAT_NAMES)}",
        f"write format: {near[0]}" if near else "leave 'format' out: it is then detected and named in the load report",
    )


def wrapper_prefixes(keys: Iterable[str]) -> list[str]:
    """List every chain of known wrappers that stands before some key, the empty chain included, shortest first."""
    found = {""}
    for key in keys:
        end = 0
        while link := _LINK.match(key, end):
            end = link.end()
            found.add(key[:end])
    return sorted(found, key=lambda prefix: (len(prefix), prefix))


def canonical_name(name: str, naming: Naming) -> str | None:
    """Turn a tensor's own name (its wrappers removed) into torchvision/timm spelling.

    Parameters
    ----------
    name : str
        For example ``layer1.0.conv1.weight``, or ``4.0.conv1.weight`` when numbered.
    naming : {"standard", "numbered"}
        How the file names tensors.

    Returns
    -------
    str or None
        None when a numbered layout has no child of that number that holds tensors.
    """
    return _from_number(name) if naming == "numbered" else _from_older_names(name)


#: Children of torchvision's and timm's ResNets by number; 2, 3 and 8 (activation and pooling) hold no tensors.
_RESNET_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4", "9": "fc"}
_DENSENET_CHILDREN = {"0": "features", "1": "classifier"}


def _from_number(name: str) -> str | None:
    number, _, rest = name.partition(".")
    dense = number == "0" and re.match(r"(conv0|norm0|denseblock\d+|transition\d+|norm5)\.", rest)
    child = (_DENSENET_CHILDREN if dense else _RESNET_CHILDREN).get(number)
    return None if child is None else _from_older_names(f"{child}.{rest}")


#: Torchvision's Vision Transformer beside timm's: the same tensors, query, key and value stacked in the same order.
_TORCHVISION_VIT = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^class_token$", "cls_token"),
        (r"^conv_proj\.", "patch_embed.proj."),
        (r"^encoder\.pos_embedding$", "pos_embed"),
        (r"^encoder\.ln\.", "norm."),
        (r"^heads\.head\.", "head."),
        (r"^encoder\.layers\.encoder_layer_(\d+)\.ln_([12])\.", r"blocks.\1.norm\2."),
        (r"^encoder\.layers\.encoder_layer_(\d+)\.self_attention\.in_proj_", r"blocks.\1.attn.qkv."),
        (r"^encoder\.layers\.encoder_layer_(\d+)\.self_attention\.out_proj\.", r"blocks.\1.attn.proj."),
        (r"^encoder\.layers\.encoder_layer_(\d+)\.mlp\.(linear_1|0)\.", r"blocks.\1.mlp.fc1."),
        (r"^encoder\.layers\.encoder_layer_(\d+)\.mlp\.(linear_2|3)\.", r"blocks.\1.mlp.fc2."),
    )
)
#: Torchvision's published DenseNet files were written before its layers' names lost this dot.
_OLD_DENSELAYER = re.compile(r"(\.denselayer\d+\.(?:norm|conv))\.([12])\.")


def _from_older_names(name: str) -> str:
    for pattern, replacement in _TORCHVISION_VIT:
        name, found = pattern.subn(replacement, name)
        if found:
            return name
    return _OLD_DENSELAYER.sub(r"\1\2.", name)
