"""The beginning of a study's page: how far it is, what was compared, and what the words mean."""

from collections.abc import Sequence
from html import escape

from utils.drawing.html import cards, code, details, notice, paragraph, table
from utils.studies.parts import PRETRAINED, StudyNetwork
from utils.studies.report.facts import Facts
from utils.studies.results import BEST
from utils.studies.settings import StudySettings
from utils.studies.summary import StudySummary
from utils.studies.words import amount_in_words, are, counted, duration, listed

STRATEGIES = {
    "random": "tiles are drawn by lot; what choosing has to beat",
    "margin": "tiles whose two likeliest scene classes are close, by a classifier that learns as it asks",
    "entropy": "tiles whose scene classes are most uncertain, by a classifier that learns as it asks",
    "least_confidence": "tiles whose likeliest scene class is least sure, by a classifier that learns as it asks",
    "bald": "tiles on which a classifier with dropout disagrees with itself",
    "coreset": "tiles that are far, by a classifier's features, from all labelled ones",
    "badge": "uncertain tiles that differ from one another, by a classifier's gradients",
    "typiclust": "typical tiles of groups of similar ones, by a classifier's features",
}
METHODS = {
    "supervised": "learns from the labelled tiles alone; what unlabelled tiles have to beat",
    "s4gan": "learns from the unlabelled tiles too, where a discriminator takes its maps for human ones",
    "fixmatch": "labels unlabelled tiles by its average so far, and learns what this is sure of on changed copies",
    "unimatch": "labels unlabelled tiles by itself, and learns what it is sure of on two changed copies of each",
}


def status(summary: StudySummary, facts: Facts) -> str:
    """What is missing, HTML; nothing where the study is whole."""
    cells = sum(arm.cells for arm in summary.arms)
    missing = [s.cell.name for s in facts.scores if s.checkpoint == summary.checkpoint and s.is_missing]
    if not missing:
        return ""
    if len(missing) == cells:
        said = (
            f"Nothing has been scored yet: all {counted(cells, 'run')} {are(cells)} missing, so there is nothing to "
            "compare. This page says what is going to be compared."
        )
    else:
        done = cells - len(missing)
        said = (
            f"This study is not finished: {done} of {counted(cells, 'run')} {are(done)} scored. A mean or a comparison "
            "that lacks a run is shown as missing, and not taken over what happens to be there."
        )
    names = details(f"the missing runs ({len(missing)})", code("\n".join(missing)))
    return (
        notice(said, "This goes on with it; another report then shows what has come of it:")
        + code(facts.commands[1])
        + names
    )


def in_short(summary: StudySummary, facts: Facts) -> str:
    """The study in four numbers, HTML."""
    cells = sum(arm.cells for arm in summary.arms)
    areas = "; ".join(f"{name}: {', '.join(names)}" for name, names in facts.grid.areas.items())
    return cards(
        [
            ("runs scored", f"{cells - summary.missing} of {cells}", "each a training, scored on its area"),
            ("test areas", str(sum(map(len, facts.grid.areas.values()))), _short(areas)),
            ("seeds", str(len(facts.grid.seeds)), "in each area"),
            (
                "machine time",
                duration(sum(time.seconds for time in facts.times)),
                "summed over all commands",
            ),
        ]
    )


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def compared(summary: StudySummary, facts: Facts) -> list[str]:
    """What was compared, and what the words mean, HTML."""
    study = facts.study
    parts = []
    if len(study.strategies) > 1:
        parts.append(f"strategies are compared with {study.strategies[0]}")
    if len(study.methods) > 1:
        parts.append(f"methods with {study.methods[0]}" if parts else f"methods are compared with {study.methods[0]}")
    if len(study.networks) > 1:
        first = study.networks[0].name
        parts.append(f"networks with {first}" if parts else f"networks are compared with {first}")
    said = f"{', '.join(parts)}, all else being the same." if parts else "one strategy and one method, so nothing."
    words = {**_scoring(summary), **_grid(facts)}
    rows = [[escape(name), escape(text)] for name, text in words.items()]
    return [paragraph(said[0].upper() + said[1:]), table(["word", "meaning"], rows, text=(1,))]


def _scoring(summary: StudySummary) -> dict[str, str]:
    """What a run is, and how it is scored."""
    validated = "The checkpoint is scored that did best on validation tiles, which lie in the training areas."
    last = "The last checkpoint of each training is scored."
    return {
        "run": "A strategy chooses tiles, a method trains a network with their masks, and the network is scored on the "
        "test tiles of an area that has no training tile.",
        "mean IoU": "The score: the pixels of a class that map and truth share, divided by those that either of them "
        "gives to it; the mean over classes, 1 is perfect. Differences are in points: a point is 0.01. "
        + (validated if summary.checkpoint == BEST else last),
    }


def _grid(facts: Facts) -> dict[str, str]:
    """What was varied."""
    study, areas = facts.study, facts.grid.areas
    amounts = listed([amount_in_words(amount).removesuffix(" labelled") for amount in study.amounts])
    of_ratios = " of an area's training tiles" if study.ratios else ""
    return {
        **{f"strategy {name}": _sentence(STRATEGIES.get(name, "")) for name in study.strategies},
        **{f"method {name}": _method(study, name) for name in study.methods},
        "labelled tiles": f"{amounts}{of_ratios}.",
        **{f"network {network.name}": _network(network, study.strategies) for network in study.networks},
        "test areas": "; ".join(f"{name}: {', '.join(found)}" for name, found in areas.items()) + ".",
        "seeds": f"{', '.join(map(str, facts.grid.seeds))}. With each, all that is random is drawn anew: the choice "
        "and the training. Two runs that are compared have the same seed.",
    }


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _method(study: StudySettings, name: str) -> str:
    """What a method does; of a variant, with its own options."""
    sentence = _sentence(METHODS.get(study.method_of(name), ""))
    if (variant := study.variant_of(name)) is None:
        return sentence
    given = [f"{option} {value}" for options in variant.options.values() for option, value in options.items()]
    return f"{variant.method} with {listed(given) if given else 'the same options'}. {sentence}"


def _network(network: StudyNetwork, strategies: Sequence[str]) -> str:
    def start(weights: str | None) -> str:
        if weights == PRETRAINED:
            return "weights that the study makes by pre-training on the training tiles of each area"
        return "random weights" if (weights or "").lower() == "none" else f"the weights {weights or 'of ImageNet'}"

    backbone = f"Backbone {network.backbone} from {start(network.weights)}."
    if tuple(strategies) == ("random",):  # nothing is asked
        return backbone
    classifier = f"{network.classifier}, which starts from {start(network.classifier_weights)}"
    return f"{backbone} Strategies ask the classifier {classifier}."
