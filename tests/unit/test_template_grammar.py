"""What templates may say: the short forms of M7, Liquid, and what is refused when saved."""

import pytest

from hookstream.model.escape import loaded
from hookstream.model.template import Place, Template, TemplateError, check_template

DATA = b"""{"name":"Ann","price":1.10,"yes":true,"no":false,"none":null,"big":30,
"items":[{"id":1,"n":"a"},{"id":2.50,"n":"b"},{"id":3,"n":"a"}],"at":"2024-03-15T10:30:00+02:00"}"""


def rendered(text: str, place: Place = "text") -> str:
    values = loaded(DATA)
    assert isinstance(values, dict)
    return str(Template(text, place).render(values))


@pytest.mark.parametrize(
    ("short", "liquid", "text"),
    [
        ("${name}", "{{ name }}", "Ann"),
        ("${ items[1].id }", "{{items[1].id}}", "2.50"),
        ("@{if yes}a@{end if}", "{% if yes %}a{% endif %}", "a"),
        ("@{if no}a@{else}b@{end if}", "{% if no %}a{% else %}b{% endif %}", "b"),
        (
            "@{if no}a@{else if big > 20}b@{else}c@{end if}",
            "{% if no %}a{% elsif big > 20 %}b{% else %}c{% endif %}",
            "b",
        ),
        (
            "@{for i in items}${i.n}@{if not forloop.last},@{end if}@{end for}",
            "{% for i in items %}{{ i.n }}{% unless forloop.last %},{% endunless %}{% endfor %}",
            "a,b,a",
        ),
        ("@{for i in missing}x@{end for}", "{% for i in missing %}x{% endfor %}", ""),
        ("@{ if yes }a@{ end  if }", "{%if yes%}a{%endif%}", "a"),
        ("@{if name == 'A}n' or yes}a@{end if}", "{% if name == 'A}n' or yes %}a{% endif %}", "a"),
        ("${name | append: '}}'}", "{{ name | append: '}}' }}", "Ann}}"),
    ],
)
def test_m7_short_forms_mean_what_liquid_means(short: str, liquid: str, text: str) -> None:
    assert rendered(short) == text
    assert rendered(liquid) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{% raw %}${name}{{ name }}@{if}{% endraw %}${name}", "${name}{{ name }}@{if}Ann"),
        ("{% comment %}${name}{% endcomment %}x", "x"),
        ("{% # don't mind %}x", "x"),
        ("a {{- name -}} b", "aAnnb"),
        ("{% assign n = name | upcase %}${n}", "ANN"),
        ("{% case big %}{% when 30 %}x{% else %}y{% endcase %}", "x"),
        ("@{for i in (1..9)}@{if i == 3}{% break %}@{end if}${i}@{end for}", "12"),
        ("@{for i in items reversed}${forloop.index}${i.n}@{end for}", "1a2b3a"),
        ("$5 @home {x} 100% {a}}", "$5 @home {x} 100% {a}}"),
        ("${price}|${price | times: 3}|${price | plus: 1}", "1.10|3.3|2.1"),
        ("${items | map: 'id' | join: '-'}", "1-2.50-3"),
        ("${items | where: 'n', 'a' | size}", "2"),
        ("${items | uniq: 'n' | size} ${items | sum: 'id'}", "2 6.5"),
        ("${name | replace: 'n', 'N'} ${name | slice: 0, 2}", "ANN An"),
        ("${none | default: 'x'} ${yes | append: '!'} ${items | first | json}",
         'x true! {"id":1,"n":"a"}'),
        ("${at | date} ${at | date: '%d.%m.%Y %H'} ${0 | date: '%s'}",
         "2024-03-15T08:30:00Z 15.03.2024 08 0"),
        ("@{if none}a@{else}b@{end if}@{if items contains 3}a@{end if}", "b"),
        ("${now}${today}${partial}${forloop}${name.__class__}${items.size}", "3"),
    ],
)  # fmt: skip
def test_what_templates_can_do(template: str, text: str) -> None:
    assert rendered(template) == text


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("a\n${name", "line 2: `${` is not closed"),
        ("{{ name }", "`{{` is not closed"),
        ("{% if yes %}", "endif"),
        ("@{if yes}", "endif"),
        ("@{end if}", "endif"),
        ("@{end}", "end if"),
        ("@{else yes}", "else if x"),
        ("@{while yes}", "for x in y"),
        ("@{if}x@{end if}", "if x"),
        ("{% if yes %}{% else if no %}{% endif %}", "elsif"),
        ("{% include 'other' %}", "no tag 'include'"),
        ("{% render 'other' %}", "no tag 'render'"),
        ("{% liquid echo x %}", "no tag 'liquid'"),
        ("{% tablerow i in items %}{% endtablerow %}", "no tag 'tablerow'"),
        ("{% raw %}x", "endraw"),
        ("{% comment %}x", "comment"),
        ("${name | upcasse}", "no filter 'upcasse'"),
        ("@{if yes}@{for i in items}${i | env}@{end for}@{end if}", "no filter 'env'"),
        ("{% assign x = name | open %}", "no filter 'open'"),
        ("{% case big %}{% when 1 %}${i | env}{% endcase %}", "no filter 'env'"),
        ("{% capture x %}${i | env}{% endcapture %}", "no filter 'env'"),
        ("{% unless yes %}${i | env}{% endunless %}", "no filter 'env'"),
        ("${}", "nothing stands"),
        ("${name > 3}", "found '>'"),
        ("${name name}", "expected"),
        ("${(1..3) | join}", "range"),
        ("{% assign r = (1..3) %}", "range"),
        ("@{if (1..3) contains 2}x@{end if}", "range"),
        ("\ue000 name \ue001", "U+E000"),
        ("${" + "a." * 600 + "a}", "1000 characters"),
        ("${a}" * 6_000, "10000 parts"),
        ("@{if yes}" * 40 + "@{end if}" * 40, "nesting"),
    ],
)
def test_what_does_not_parse_is_refused_with_what_would_do(template: str, told: str) -> None:
    refusal = check_template(template, "text")
    assert refusal is not None
    assert (refusal.code, refusal.field) == ("invalid_template", "template")
    assert told in refusal.detail


def test_a_backslash_right_before_an_expression_cannot_be_saved_for_json() -> None:
    assert check_template('{"a":"\\${v}"}', "json") is not None
    assert check_template('{"a":"\\\\${v}"}', "json") is None
    assert check_template("\\${v}", "text") is None


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("${name | date}", "filter date"),
        ("${at | date: '%100000d'}", "date format"),
        ("${price | divided_by: 0}", "divide by 0"),
        ("@{if big > name}x@{end if}", "not supported"),
        ("${name | append}", "append"),
        ("{% break %}", "outside of a loop"),
        ("${'\xff' | base64_decode}", "base64_decode"),
    ],
)
def test_what_fails_only_with_these_values_says_so(template: str, told: str) -> None:
    with pytest.raises(TemplateError, match=told):
        rendered(template)
