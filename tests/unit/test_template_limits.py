"""Templates that explode are stopped, always at the same step, whatever they are given."""

import json
from typing import Any

import pytest

from hookstream.model.escape import loaded
from hookstream.model.template import Steps, Template, TemplateError, check_template
from hookstream.model.template_limits import MAX_STEPS, weight

LARGE = json.dumps(
    {
        "items": [{"id": i, "n": f"name {i}"} for i in range(1_500)],
        "nums": list(range(20_000)),
        "same": list(range(20_000)),
        "s": "x" * 200_000,
    }
).encode()
DOUBLE = "{% assign x = x | append: x %}"


def values() -> dict[str, Any]:
    made = loaded(LARGE)
    assert isinstance(made, dict)
    return made


EXPLODING = {
    "a long range": "@{for i in (1..1000000000)}x@{end for}",
    "a range backwards": "{% for i in (1..1000000000) reversed %}x{% endfor %}",
    "loops in loops": "@{for a in (1..300)}@{for b in (1..300)}x@{end for}@{end for}",
    "loops that do nothing": "@{for i in (1..9999)}@{end for}" * 30,
    "loops left early": "@{for a in (1..900)}@{for b in nums}{% break %}@{end for}@{end for}",
    "a text that doubles": "{% assign x = 'ab' %}" + DOUBLE * 60,
    "a number that squares": "{% assign x = 3 %}" + "{% assign x = x | times: x %}" * 60,
    "a list that doubles": "{% assign x = nums %}" + "{% assign x = x | concat: x %}" * 60,
    "much put for little": "${s | replace: 'x', s}",
    "much put between": "${nums | join: s}",
    "lists compared": "@{for i in (1..5000)}@{if nums == same}x@{end if}@{end for}",
    "lists searched": "@{for i in (1..5000)}@{if nums contains 'x'}x@{end if}@{end for}",
    "texts searched": "@{for i in (1..5000)}@{if s contains 'y'}x@{end if}@{end for}",
    "lists sorted": "@{for i in (1..5000)}${items | sort: 'n' | size}@{end for}",
    "everything written again": "@{for i in (1..5000)}${items}@{end for}",
    "captures": "@{for i in (1..5000)}{% capture x %}${s}{% endcapture %}@{end for}",
    "a chain of filters": "@{for i in (1..5000)}${i" + " | append: 'x'" * 50 + "}@{end for}",
    "a list of characters": "${s | split: ''}",
}  # fmt: skip


@pytest.mark.parametrize("template", EXPLODING.values(), ids=EXPLODING.keys())
def test_a_template_that_explodes_is_stopped(template: str) -> None:
    assert check_template(template, "json") is None
    with pytest.raises(TemplateError) as stopped:
        Template(template, "json").render(values())
    assert any(word in str(stopped.value) for word in ("steps", "large", "range", "more than"))


def test_it_is_stopped_at_the_same_step_each_time() -> None:
    template = Template(EXPLODING["lists sorted"], "json")
    left = []
    for _ in range(3):
        steps = Steps()
        with pytest.raises(TemplateError):
            template.render(values(), steps)
        left.append(steps.left)
    assert len(set(left)) == 1


def test_output_is_bounded() -> None:
    with pytest.raises(TemplateError, match="more than 100 bytes"):
        Template("${s}", "text", 100).render(values())
    with pytest.raises(TemplateError, match="more than 4 bytes"):
        Template("${s}", "text", 4).render({"s": "žžž"})


def test_a_large_order_and_a_large_payload_are_no_explosion() -> None:
    order = (
        '[@{for i in items}{"id":${i.id},"n":"${i.n}"}@{if not forloop.last},@{end if}@{end for}]'
    )
    assert len(json.loads(Template(order, "json").render(values()))) == 1_500
    assert json.loads(Template("${nums}", "json").render(values())) == list(range(20_000))


def test_an_ordinary_body_takes_a_few_hundred_steps() -> None:
    steps = Steps()
    Template('{"id":${items[0].id},"n":"${items[0].n | upcase}"}', "json").render(values(), steps)
    assert MAX_STEPS - steps.left < 300


def test_the_weight_of_a_value_grows_with_all_that_is_in_it() -> None:
    assert weight("short", 10**9) == 0
    assert weight("x" * 6_400, 10**9) == 100
    assert weight(5, 10**9) == 0
    assert weight([["x" * 6_400]], 10**9) >= 100
    shared = ["x" * 6_400]
    assert weight([shared] * 50, 10**9) >= 5_000
    assert weight([[0] * 1_000] * 1_000, 10) < 2_000


def test_data_nested_deeply_fails_in_words() -> None:
    nested: list[Any] = []
    for _ in range(5_000):
        nested = [nested]
    with pytest.raises(TemplateError):
        Template("${v}", "json").render({"v": nested})
