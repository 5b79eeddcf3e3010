"""Single figures: numbers, dials, bars."""

from __future__ import annotations

from boards.reducers import reduce
from boards.rendering.common import Answers, Json, described, finite, shown


def figures(answers: Answers) -> Json:
    """Return one value per series, by the panel's calculation; with the values of a sparkline if configured."""
    options = answers.panel.options
    calculation = ((options.get("reduceOptions") or {}).get("calcs") or ["lastNotNull"])[0]
    has_sparkline = options.get("graphMode") == "area"
    return {
        "values": [
            {
                **described(one, answers.scope),
                "value": finite(reduce(one.column.values, calculation)),
                **(
                    {"spark": [finite(value) for value in one.column.values]}
                    if has_sparkline and len(one.column.values) > 1
                    else {}
                ),
            }
            for one in shown(answers)
        ],
        "color_mode": options.get("colorMode", "value"),
        "text_mode": options.get("textMode", "auto"),
    }
