#!/usr/bin/env python3
"""Writes jinja_cases.jsonl: templates, variables, and what Jinja2 3.1.6 gives for them in Hugging Face's settings.

    python -m venv VENV && VENV/bin/pip install jinja2==3.1.6 && VENV/bin/python tests/text/jinja_cases.py

A line: {"template", "variables", and "text" or "error"}; "error" is the exception's text, "" where ours is worded differently.
"""
import datetime
import json
import pathlib

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_shown"), [], [], body).set_lineno(line)

    def _shown(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: datetime.datetime(2026, 11, 21, 18, 5, 9).strftime(form)
    return env


VARIABLES = {
    "n": 7, "x": 2.5, "zero": 0, "yes": True, "no": False, "nothing": None, "empty": "", "s": "Hello, World",
    "u": "Grüße \U0001f642 您好", "l": [3, 1, 2], "words": ["b", "A", "c", "a"], "nested": [[1, 2], [3, [4]]],
    "d": {"b": 1, "a": [1, 2, {"c": None}], "é": "<&>'\""}, "lines": "one\n  two\n\nthree\n",
    "messages": [
        {"role": "system", "content": " Be brief. "},
        {"role": "user", "content": "Hi\nthere"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"k": 1.5}}}]},
        {"role": "tool", "content": {"t": 22, "ok": True}},
    ],
    "tools": [{"type": "function", "function": {"name": "get", "description": "d\"q\"", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "enum": ["a", "b"]}}, "required": ["city"]}}}],
}

# Each is a template; wording() marks those whose error Python words in terms of its own internals.
PLAIN = r"""
plain text
{{ n }}|{{ x }}|{{ yes }}|{{ no }}|{{ nothing }}|{{ empty }}|{{ s }}|{{ u }}|{{ l }}|{{ d }}|{{ missing }}|
{{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 0.0001 }} {{ 0.00001 }} {{ 123456789.123 }} {{ 1e300 * 1e10 }} {{ 0.1 + 0.2 }} {{ -0.0 }} {{ 5e-324 }}
{{ 'a"b' }} {{ ["a'b", 'a"b', 'a\'b"c', '\n\t\\', 'é\x00\x7f\u200b'] }} {{ ('x',) }} {{ () }} {{ (1, 2) }} {{ [] }} {{ {} }}
{{ "\x41\u00e9\101\q\"" }} {{ 'a' 'b' "c" }} {{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5e1 }}
{{ true }} {{ True }} {{ none }} {{ None }} {{ false }} {{ False }}
{{ 1 + 2 * 3 ** 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 2 ** -1 }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }}
{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 7.5 % -2 }} {{ 1 - 1.0 }} {{ +n }} {{ -n }} {{ - - n }} {{ yes + 1 }} {{ -yes }} {{ True * 3 }}
{{ 'ab' + 'cd' }} {{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ [1] * 2 }} {{ [1] + [2] }} {{ (1,) + (2,) }} {{ 'a' * -1 }}|
{{ 1 ~ 'a' ~ none ~ missing ~ [1] ~ 2.0 }}
{{ 1 == 1.0 }} {{ 1 == true }} {{ 'a' == 1 }} {{ [1] == [1.0] }} {{ [1] == (1,) }} {{ {'a': 1} == {'a': 1.0} }} {{ none == false }} {{ missing == other }} {{ missing == none }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ 'é' > 'z' }} {{ [1, 2] < [1, 3] }} {{ 2 >= 2.0 }} {{ 1 != 2 }} {{ 3 > 2 > 1 }}
{{ 'b' in 'abc' }} {{ '' in 'a' }} {{ 1 in [1, 2] }} {{ 'a' in d }} {{ 'q' not in d }} {{ 1 in missing }} {{ missing in [1] }} {{ 3 not in (1, 2) }} {{ 1.0 in [1] }}
{{ 'Hello' in s }} {{ not n }} {{ not 0 }} {{ n and x }} {{ 0 and x }} {{ 0 or x }} {{ n or x }} {{ not n == 8 }} {{ missing or 'd' }} {{ '' or [] or 'z' }}
{{ 'a' if yes else 'b' }} {{ 'a' if no else 'b' }} {{ 'a' if no }}| {{ 'a' if no else 'b' if no else 'c' }} {{ ('x' if yes else 'y') ~ 'z' }}
{{ s[0] }} {{ s[-1] }} {{ s[1:4] }} {{ s[:3] }} {{ s[-3:] }} {{ s[::-1] }} {{ s[::2] }} {{ s[5:1] }}| {{ s[99] }}| {{ u[6] }} {{ u[-2:] }} {{ u[::-1] }} {{ u|length }}
{{ l[0] }} {{ l[-1] }} {{ l[1:] }} {{ l[::-1] }} {{ l[:-1] }} {{ l[7] }}| {{ l[true] }} {{ nested[1][1][0] }} {{ (1, 2, 3)[1:] }} {{ l[-99:99] }} {{ l[2:0:-1] }} {{ l[3::-2] }}
{{ d.b }} {{ d['b'] }} {{ d['a'][2].c }} {{ d.a.1 }} {{ d.zzz }}| {{ d['zzz'] }}| {{ d.a[2]['c'] }} {{ d['é'] }} {{ d.a.0 }}
{{ d.items() }} {{ d.keys() }} {{ d.values() }} {{ d.get('b') }} {{ d.get('q') }} {{ d.get('q', 5) }} {{ d.keys()|list }} {{ {'items': 3}.items is callable }}
{{ {'items': 3}['items'] }} {{ {1: 'a', 'b': 2, none: 3, (1, 2): 4} }} {{ {1: 'a'}[1.0] }} {{ {'a': 1, 'a': 2} }} {{ {true: 1}[1] }}
{{ range(3) }} {{ range(3)|list }} {{ range(1, 9, 3)|list }} {{ range(5, 0, -2)|list }} {{ range(3)[1] }} {{ range(10)[2:5] }} {{ range(0)|list }} {{ range(1, 5, 2) }} {{ 3 in range(5) }}
{{ dict(a=1, b='c') }} {{ dict({'x': 1}, y=2) }} {{ dict([('k', 1), ['m', 2]]) }} {{ namespace(a=1, b='x') }} {{ dict() }}
{{ s.upper() }} {{ s.lower() }} {{ s.title() }} {{ 'hello world'.capitalize() }} {{ "they're bill's".title() }} {{ 'straße ﬁ'.upper() }} {{ 'ÀÉ'.lower() }} {{ 'aBc'.swapcase() }}
{{ '  a b '.strip() }}|{{ '  a '.lstrip() }}|{{ ' a  '.rstrip() }}|{{ 'xxaxx'.strip('x') }}|{{ 'abcba'.strip('ab') }}|{{ 'éaé'.strip('é') }}|{{ '\u3000\x1f a\xa0'.strip() }}|
{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a b c'.split(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b  c '.rsplit(none, 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a<think>b</think>c'.split('</think>')[-1] }}
{{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\n'.splitlines(true) }} {{ 'a b'.partition(' ') }} {{ 'abc'.partition('x') }} {{ 'a.b.c'.rpartition('.') }} {{ 'a b c'.split(sep=' ', maxsplit=1) }}
{{ s.startswith('Hell') }} {{ s.startswith(('x', 'He')) }} {{ s.endswith('ld') }} {{ s.startswith('l', 2) }} {{ s.endswith('lo', 0, 5) }} {{ ''.startswith('') }} {{ 'ab'.startswith('', 3) }} {{ 'ab'.startswith('', 2) }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 1) }} {{ 'abc'.replace('', '-') }} {{ 'é'.replace('', '-') }} {{ 'aaa'.replace('aa', 'b') }} {{ 'abc'.replace('', '-', 2) }}
{{ ', '.join(words) }} {{ ''.join(['a']) }} {{ '-'.join('abc') }} {{ '-'.join({'a': 1, 'b': 2}) }} {{ ''.join([]) }}|
{{ s.find('o') }} {{ s.find('o', 5) }} {{ s.find('q') }} {{ s.rfind('o') }} {{ u.find('您') }} {{ s.index('W') }} {{ s.count('l') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ u.find('ß', -8, -1) }}
{{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ' \n'.isspace() }} {{ ''.isspace() }} {{ 'AB1'.isupper() }} {{ 'ab'.islower() }} {{ 'é'.isalpha() }} {{ 'a b'.isalpha() }} {{ 'é'.isascii() }}
{{ '7'.zfill(3) }} {{ '-7'.zfill(4) }} {{ 'a'.center(4) }}| {{ 'ab'.center(5, '*') }} {{ 'a'.ljust(3, '.') }} {{ 'a'.rjust(3) }} {{ 'pre_x'.removeprefix('pre_') }} {{ 'x_s'.removesuffix('_s') }}
{{ '{} {}'.format(1, 'a') }} {{ '{1}{0}'.format('a', 'b') }} {{ '{k}-{v.b}-{w[0]}'.format(k=1, v=d, w=l) }} {{ '{{}}'.format() }} {{ '{:>5}|{:<4}|{:^5}|{:05d}|{:.2f}|{:x}|{:,}'.format('a', 'b', 'c', 42, 3.14159, 255, 1234567) }} {{ '{!r}'.format('a') }} {{ '{:*^7.2}'.format('abcdef') }} {{ '{:+d} {:e} {:.1%} {:#x}'.format(5, 12345.678, 0.256, 255) }}
{{ '%s %d %5.2f %r %%' % ('a', 3, 2.5, 'q') }} {{ '%s' % 5 }} {{ '%(a)s-%(b)03d' % {'a': 1, 'b': 2} }} {{ '%-5s|%5s|%x' % ('a', 'b', 255) }} {{ '%s' % missing }}| {{ '%d' % 3.9 }} {{ '%+.1e' % 12345.678 }} {{ '%s' % [1, 'a'] }} {{ '%.2s' % 'abc' }}
{{ l.count(1) }} {{ l.index(2) }} {{ (1, 2, 1).count(1) }} {{ l.copy() }} {{ d.copy().b }}
{{ s|upper }} {{ s|lower }} {{ 'hello wORLD (x) a-b'|title }} {{ 'hELLO'|capitalize }} {{ 5|upper }} {{ none|lower }} {{ missing|upper }}| {{ 'a\tb c'|title }}
{{ '  a '|trim }}| {{ 'xax'|trim('x') }} {{ none|trim }} {{ missing|trim }}| {{ 5|trim }} {{ 'a\n\n'|trim ~ '|' }}
{{ s|length }} {{ l|count }} {{ d|length }} {{ missing|length }} {{ range(4)|length }} {{ d.items()|length }} {{ ''|length }}
{{ l|join }} {{ l|join(', ') }} {{ messages|join('-', attribute='role') }} {{ 'abc'|join('.') }} {{ [none, 1.5, missing]|join('|') }} {{ l|join(1) }} {{ d|join(',') }} {{ missing|join(',') }}|
{{ l|first }} {{ l|last }} {{ ''|first }}| {{ 'abc'|last }} {{ []|first }}| {{ []|last is defined }} {{ d|first }} {{ d|last }} {{ missing|first }}| {{ 'abc'|first }}
{{ 'abc'|list }} {{ d|list }} {{ (1, 2)|list }} {{ missing|list }} {{ d.items()|list }} {{ d|items|list }} {{ missing|items|list }} {{ range(2)|list }}
{{ d|dictsort }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort(true) }} {{ {'b': 1, 'A': 3, 'c': 2}|dictsort(by='value') }} {{ {'b': 1, 'A': 3}|dictsort(reverse=true) }}
{{ l|sort }} {{ l|sort(reverse=true) }} {{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ messages[:2]|sort(attribute='role')|map(attribute='role')|list }} {{ [{'a': 1, 'b': 2}, {'a': 1, 'b': 1}]|sort(attribute='a,b') }} {{ 'hello'|sort }} {{ words|sort(true) }}
{{ words|unique|list }} {{ words|unique(true)|list }} {{ [1, 1.0, true, 2]|unique|list }} {{ [{'a': 1}, {'a': 1}, {'a': 2}]|unique(attribute='a')|list }}
{{ l|reverse|list }} {{ 'abc'|reverse }} {{ u|reverse }} {{ d|reverse|list }} {{ range(3)|reverse|list }} {{ l|map('string')|reverse }}
{{ words|map('upper')|list }} {{ messages|map(attribute='role')|list }} {{ messages|map(attribute='zzz', default='?')|join }} {{ nested|map('first')|list }} {{ ['a b']|map('replace', ' ', '_')|list }} {{ [d]|map(attribute='a.2.c')|list }} {{ [[1, 2]]|map(attribute=1)|list }} {{ []|map('upper')|list }} {{ none|map('upper')|list }} {{ [{'k': 1}]|map('tojson', indent=2)|join }}
{{ [0, 1, '', 'a', none]|select|list }} {{ [0, 1, '', 'a']|reject|list }} {{ [1, 2, 3]|select('odd')|list }} {{ [1, 2, 3]|reject('odd')|list }} {{ [1, 2, 3]|select('greaterthan', 1)|list }} {{ ['a', 1]|select('string')|list }} {{ [1, 2]|select('in', [2])|list }} {{ missing|select|list }}
{{ messages|selectattr('role', 'equalto', 'user')|list }} {{ messages|selectattr('content')|map(attribute='role')|list }} {{ messages|rejectattr('role', 'in', ['user', 'tool'])|map(attribute='role')|list }} {{ messages|selectattr('tool_calls', 'defined')|list|length }} {{ messages|rejectattr('content')|list|length }} {{ messages|selectattr('role', '==', 'tool')|first }}
{{ range(7)|batch(3)|list }} {{ range(7)|batch(3, 'x')|list }} {{ range(7)|slice(3)|list }} {{ range(7)|slice(3, 'x')|list }} {{ [1, 2]|batch(5, none)|list }}
{{ l|sum }} {{ l|min }} {{ l|max }} {{ words|min }} {{ words|max }} {{ []|max }}| {{ [{'a': 2}, {'a': 5}]|sum(attribute='a') }} {{ l|sum(start=10) }} {{ [{'a': 2}, {'a': 5}]|max(attribute='a') }} {{ [1.5, 2]|sum }} {{ []|sum }} {{ words|max(case_sensitive=true) }}
{{ missing|default('d') }} {{ none|default('d') }} {{ ''|default('d', true) }} {{ none|d('x', boolean=true) }} {{ missing|default }}| {{ 0|default(5, true) }} {{ d.q|default('z') }}
{{ '42'|int }} {{ '42.9'|int }} {{ 'x'|int }} {{ 'x'|int(7) }} {{ 3.9|int }} {{ '0x1f'|int(base=16) }} {{ '1f'|int(0, 16) }} {{ none|int(5) }} {{ true|int }} {{ ' 12 '|int }} {{ '1_0'|int }} {{ '-5'|int }} {{ [1]|int(9) }} {{ -3.7|int }}
{{ '1.5'|float }} {{ 'x'|float }} {{ 'x'|float(2.5) }} {{ 3|float }} {{ '1e3'|float }} {{ ' 2 '|float }} {{ 'inf'|float }} {{ '.5'|float }} {{ '5.'|float }} {{ none|float }}
{{ -5|abs }} {{ -2.5|abs }} {{ 42.55|round }} {{ 42.55|round(1) }} {{ 42.55|round(1, 'floor') }} {{ 42.1|round(0, 'ceil') }} {{ 2.5|round }} {{ 3.5|round }} {{ 42|round }} {{ 1234|round(-2) }} {{ 2.675|round(2) }} {{ 42.55|round|int }} {{ 1250|round(-2) }} {{ 1234.5|round(-2) }}
{{ 5|string ~ 1 }} {{ none|string }} {{ missing|string }}| {{ [1, 'a']|string }} {{ '<b>'|safe }} {{ '<b>&\'"'|escape }} {{ '<b>'|e }} {{ ('<b>'|safe) + '<i>' }} {{ '<i>' + ('<b>'|safe) }} {{ ('<b>'|safe) ~ '<i>' }}
{{ lines|indent }} {{ lines|indent(2, true) }} {{ lines|indent(2, blank=true) }} {{ lines|indent('> ') }} {{ ''|indent }}| {{ 'a'|indent(first=true) }} {{ 'a\nb'|indent(width=1) }}
{{ 'foo bar baz qux'|truncate(9) }} {{ 'foo bar baz qux'|truncate(9, true) }} {{ 'foo bar baz qux'|truncate(11) }} {{ 'foo bar baz qux'|truncate(11, false, '...', 0) }} {{ 'foo, bar'|wordcount }} {{ 'x'|center(5) }}|
{{ '%s-%s'|format(1, 'b') }} {{ '%(x)s'|format(x=1) }} {{ l|attr('count') is callable }} {{ d|attr('b') is defined }} {{ 'a-b_c d'|title }}
{{ d|tojson }} {{ l|tojson }} {{ none|tojson }} {{ 'a"\\\n\té<&>\x01\x7f'|tojson }} {{ 1.0|tojson }} {{ true|tojson }} {{ (1, 2)|tojson }} {{ 1e20|tojson }} {{ {}|tojson }} {{ []|tojson }} {{ u|tojson }}
{{ d|tojson(indent=2) }} {{ []|tojson(indent=2) }} {{ [{}]|tojson(indent=1) }} {{ d|tojson(indent='\t') }} {{ u|tojson(true) }} {{ d|tojson(separators=(',', ':')) }} {{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }} {{ [1, [2]]|tojson(indent=0) }} {{ {1: 2, none: 3, true: 4, 1.5: 5}|tojson }}
{{ tools|tojson(indent=4) }}
{{ n is defined }} {{ missing is defined }} {{ missing is undefined }} {{ nothing is none }} {{ nothing is not none }} {{ n is number }} {{ yes is number }} {{ s is string }} {{ d is mapping }} {{ l is mapping }} {{ d.zz is defined }} {{ d.b is not defined }}
{{ s is iterable }} {{ n is iterable }} {{ d is iterable }} {{ missing is iterable }} {{ l is sequence }} {{ d is sequence }} {{ s is sequence }} {{ n is sequence }} {{ missing is sequence }} {{ d.items() is sequence }} {{ none is iterable }} {{ range(2) is sequence }} {{ l|map('string') is sequence }}
{{ yes is boolean }} {{ 1 is boolean }} {{ yes is true }} {{ 1 is true }} {{ no is false }} {{ n is integer }} {{ yes is integer }} {{ x is float }} {{ n is float }} {{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ range is callable }} {{ n is callable }}
{{ 1 is eq 1 }} {{ 1 is equalto(1) }} {{ 2 is gt 1 }} {{ 1 is lt 2 }} {{ 1 is ne 1 }} {{ 1 is in [1, 2] }} {{ 3 is not in [1, 2] }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ none is sameas none }} {{ 'trim' is filter }} {{ 'zzz' is filter }} {{ 'odd' is test }} {{ 2 is ge(2) }} {{ 2 is lessthan 2 }} {{ 'Ab' is lower }} {{ '1' is upper }}
{{ not n is defined }} {{ n is defined and x is defined }} {{ n is string or x is float }} {{ 1 + 1 is even }} {{ 'a' ~ 'b' is string }} {{ -1|abs }} {{ 'a' + 'b'|upper }} {{ ('a' + 'b')|upper }} {{ 2 * 3|string }} {{ [1, 2]|first is odd }}
{% if n > 5 %}big{% elif n > 3 %}mid{% else %}small{% endif %} {% if zero %}a{% elif empty %}b{% elif nothing %}c{% else %}d{% endif %} {% if missing %}m{% endif %}|{% if l and d %}both{% endif %}
{% for i in l %}{{ i }},{% endfor %} {% for k in d %}{{ k }}{% endfor %} {% for c in 'abc' %}{{ c }}.{% endfor %} {% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for i in missing %}x{% else %}none{% endfor %} {% for a, b in [(1, 2), [3, 4]] %}{{ a + b }} {% endfor %} {% for i in [] %}{% else %}empty{% endfor %}
{% for i in l %}{{ loop.index }}/{{ loop.length }}:{{ loop.index0 }}:{{ loop.revindex }}:{{ loop.revindex0 }}:{{ loop.first }}:{{ loop.last }}:{{ loop.previtem }}:{{ loop.nextitem }}:{{ loop.cycle('a', 'b') }}:{{ loop.changed(i > 1) }}:{{ loop.depth }}:{{ loop.depth0 }} {% endfor %}
{% for i in l if i > 1 %}{{ i }}{{ loop.index }}{{ loop.length }}{{ loop.last }} {% endfor %} {% for i in l if i > 9 %}x{% else %}none{% endfor %} {% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %} {% for i in [1] %}{% continue %}{% else %}E{% endfor %} {% for i in [1, 2] %}{% break %}{% else %}F{% endfor %} {% for i in [1] %}{{ i }}{% else %}G{% endfor %}
{% for i in [1, 2] %}{% for j in [3, 4] %}{{ loop.index }}{{ i }}{{ j }} {% endfor %}{{ loop.index }};{% endfor %} {% for i in l %}{% if loop.first %}[{% endif %}{{ i }}{{ ', ' if not loop.last else ']' }}{% endfor %}
{% for x in [1, 2] %}{{ x }}{% endfor %}{{ x }} {% set y = 1 %}{% for i in l %}{% set y = i %}{{ y }}{% endfor %}{{ y }} {% if yes %}{% set z = 3 %}{% endif %}{{ z }} {% for i in [1, 2] %}{{ w }}{% set w = i %}{{ w }}{% endfor %}
{% set ns = namespace(n=0, found=false) %}{% for i in l %}{% set ns.n = ns.n + i %}{% if i == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.n }} {{ ns.found }} {{ ns }} {{ ns.zz }}|
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set (c, (e, f)) = (1, (2, 3)) %}{{ c }}{{ e }}{{ f }} {% set t = 1, 2 %}{{ t }} {% set a, b = b, a %}{{ a }}{{ b }} {% set ns = namespace() %}{% set ns.p, q = 'pq' %}{{ ns.p }}{{ q }} {% set one = 1, %}{{ one }}
{% set block %}a {{ n }} b{% endset %}{{ block }} {% set block | upper | replace('A', 'x') %}a{{ n }}a{% endset %}{{ block }} {% set block %}{% set inner = 1 %}{% endset %}{{ inner }}|{{ block is string }}
{% macro f(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(a=5, c=6) }} {{ f() }} {{ f(1, c=9) }} {{ f }} {{ f.name }} {{ f.arguments }}
{% macro g() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ g(1, 2, k=3) }} {{ g() }} {% macro h(x) %}{{ x }}{{ n }}{{ later }}{% endmacro %}{% set later = 'L' %}{{ h('q') }} {% macro r(k) %}{{ k }}{% if k > 0 %}{{ r(k - 1) }}{% endif %}{% endmacro %}{{ r(3) }}
{% macro wrap(t) %}<{{ t }}>{{ caller() }}</{{ t }}>{% endmacro %}{% call wrap('b') %}in {{ n }}{% endcall %} {% macro each(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(v) each([1, 2]) %}({{ v }}){% endcall %} {% macro maybe() %}{{ caller is defined }}{% endmacro %}{{ maybe() }}
{{ f2() if f2 is defined else 'no f2' }} {% macro outer() %}{% set v = 5 %}{% macro inner() %}{{ v }}{% endmacro %}{{ inner() }}{% endmacro %}{{ outer() }} {% set args = [1, 2] %}{% macro two(a, b) %}{{ a }}-{{ b }}{% endmacro %}{{ two(*args) }} {{ two(**{'a': 3, 'b': 4}) }} {{ two(5, *[6]) }}
{% filter upper %}abc {{ s }}{% endfilter %} {% filter replace('a', 'b')|title %}banana{% endfilter %} {% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a }}| {% with %}{% set k = 1 %}{{ k }}{% endwith %}{{ k }}| {% generation %}gen {{ n }}{% endgeneration %}
{% raw %}{{ raw }} {% if %}{# c #}{% endraw %} {# comment {{ n }} #}|{#- strip -#} | {{- n -}} |
{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S %A %B %j %p %%') }} {{ strftime_now('') }}|
{{ messages[0]['role'] }} {{ messages[1].content }} {{ messages[-1].content.t }} {{ messages[2].tool_calls[0].function.arguments|tojson }} {{ messages[2]['content'] is none }} {{ messages[0].content|trim }} {{ 'tool_calls' in messages[2] }} {{ messages[1].tool_calls }}|
{{ messages[3].content is mapping }} {{ messages[3].content is string }} {{ messages|length }} {{ messages[1:]|length }} {{ (messages|last).role }} {{ messages[0].get('name', 'anon') }} {{ messages[2].tool_calls is defined and messages[2].tool_calls is not none }}
{{ none.foo }}| {{ n.foo }}| {{ s.foo }}| {{ l.foo }}| {{ none['a'] }}| {{ d[none] }}| {{ l['a'] }}| {{ d[[1]] }}| {{ n[0] }}|
{{ [1, 2, 3] | length > 2 }} {{ 'a' if l|length == 3 }} {{ (l|length) * 2 }} {{ l|length - 1 }} {{ [l[0]] + l[1:] }} {{ {'a': l}.a|last }} {{ [[1, 2], [3]]|sum(start=[]) }}
{{ 'abc' 'def'|upper }} {{ ["a", "b",] }} {{ {"a": 1,} }} {{ (1,) }} {{ f3|default('x') if f3 is not defined }} {{ 1 if 1 else 2 if 1 else 3 }}
{{ loop }}| {% for i in [1, 2] %}{{ loop }} {% endfor %} {% for i in [1] %}{% set l2 = loop %}{{ l2.index }}{% endfor %} {% for a in [[1, 2], [3]] %}{% for b in a %}{{ loop.first }}{% endfor %}{% endfor %}
{% set x = 'a' %}{% set x = x ~ 'b' %}{{ x }} {% set d2 = dict(d, z=1) %}{{ d2.z }} {% set l2 = l + [4] %}{{ l2 }} {% for i in l2[1:] %}{{ i }}{% endfor %} {% set s2 = s.split(', ') %}{{ s2[1] }}
{{ 'tab\there' }} {{ '\u00fc\U0001F642' }} {{ 'a' }}{{ 'b' }}
{{ missing.x if missing is defined }} {{ [missing, none]|string }} {{ missing ~ 'a' }} {{ missing|tojson if missing is defined else 'null' }} {{ (missing is defined) == false }}
{{ yes|string|lower }} {{ true|tojson ~ none|tojson }} {{ ('%02d' % 5) ~ '%' }} {{ 'x' if yes and not no }} {{ 1 in [1] and 2 in [2] }} {{ not 1 in [2] }} {{ 'a' in ['a'] == true }}
{{ 1000000 * 1000000 }} {{ 9223372036854775807 }} {{ -9223372036854775807 - 1 }} {{ 2 ** 62 }} {{ 10 ** 18 }} {{ (-8) // 3 }} {{ 5 // -3 }} {{ 0 ** 0 }} {{ 4 ** 0.5 }} {{ 1e3 }} {{ 10 / 4 * 2 }}
{{ u.split(' ')|join('_') }} {{ u.startswith('Grü') }} {{ u[3:5] }} {{ u.upper() }} {{ u.find(' ') }} {{ u|list }} {{ [u] }} {{ u.replace('ü', 'ue') }} {{ 'ﬀ'.capitalize() }} {{ 'ǆ'.title() }}
{% for tool in tools %}{{ tool.function.name }}: {{ tool.function.parameters.properties.items()|list }} {% for k, v in tool.function.parameters.properties|items %}{{ k }} {{ v['type'] }} {{ v.enum|join('|') }}{{ ' required' if k in tool.function.parameters.required }}{% endfor %}{% endfor %}
{{ {('a', 'b'): 5}['a', 'b'] }} {{ range(3).count(1) }} {{ range(3).index(2) }} {{ '' % missing }}{{ '' % d }}{{ '' % l }} {{ 1e20 is lower }} {{ none is lower }} {{ ['a'] is lower }} {{ missing|truncate(5) }}|
{{ 'a' is string and 'b' }} {{ 1 is number == true }} {{ x is not string }} {{ x is not none and x > 1 }} {{ 5 is not divisibleby 2 }} {{ l is not mapping }}
"""

BLOCKS = [  # white space
    "a\n{% if yes %}\n  b\n{% endif %}\nc\n",
    "a\n  {% if yes %}\n  b\n  {% endif %}  \nc\n\n",
    "a\n  {%- if yes %}\n  b\n  {%- endif %}\nc",
    "a\n  {% if yes -%}\n  b\n  {% endif -%}\nc",
    "a\n  {%+ if yes %}\n  b\n  {%+ endif +%}\nc",
    "a {% if yes %} b {% endif %} c",
    "{% for i in l %}\n{{ i }}\n{% endfor %}\nend",
    "{% for i in l -%}\n  {{ i }}\n{%- endfor %}\nend",
    "  {{ n }}  \n  {{- n -}}  \n  {{+ n }}\n",
    "x\n{# c #}\ny\n  {# c #}  \nz {#- c -#}  \n w",
    "{#- a -#}\n\n x {# b +#}\n y",
    "\n\n{% set a = 1 %}\n\n{{ a }}\n\n",
    "  {% set a = 1 %}x",
    "x  {% set a = 1 %}\n\ty",
    "a\r\n{% if yes %}\r\nb\r\n{% endif %}\r\nc\r\n",
    "{% raw %}\n a {{ b }}\n{% endraw %}\nc",
    "a\n  {%- raw -%}\n  {{ b }}  \n  {%- endraw -%}\n c",
    "a\n  {% raw %}  x\n  {% endraw %}\n c",
    "{{ n }}\n",
    "{{ n }}\n\n",
    "{%- if yes -%}\n\n a \n\n{%- else -%} b {%- endif -%}  \n",
    "{{'}}'}}{{ \"%}\" }}{% set q = '%}' %}{{ q }}",
    "{{ {'a': {'b': 1}} }}{{ {'a': {'b': 1}}['a']['b'] }}",
    "a{{- ' b ' -}} c",
    "\t{% if yes %}\tx\t{% endif %}\t\n",
    "{ { n } } {n} }} %} #} { # } {",
    "{{-1}}|{{ -1}}|{{+1}}",
    "{% if yes %}a\n{% endif %}\n\nb",
    "{% macro m() %}\n  x\n{% endmacro %}\n{{ m() }}|\n",
    "{% set b %}\n  x\n{% endset %}\n{{ b }}|",
    "{%if yes%}a{%else%}b{%endif%}{%for i in l%}{{i}}{%endfor%}",
    "\u00a0{% if yes %}x{% endif %}",
    "{% for i in l: %}{{ i }}{% endfor %}",
    "",
    "\n",
    "{{ 'a\nb' }}{{ 'a\r\nb' }}{{ 'a\\\nb' }}",
]

ERRORS = r"""
{{ raise_exception('no system role') }}
{% if yes %}{{ raise_exception('after ' ~ n) }}{% endif %}
{{ missing.x }}
{{ missing['x'] }}
{{ missing() }}
{{ missing + 1 }}
{{ 'a' + missing }}
{{ missing < 1 }}
{{ -missing }}
{{ d.q.r }}
{{ d['q']['r'] }}
{{ l[9].x }}
{{ none.a.b }}
{{ s.foo() }}
{{ d.foo() }}
{{ messages[9].role }}
{{ 'a' + 1 }}
{{ 'a' + none }}
{{ 1 + 'a' }}
{{ none + 'a' }}
{{ [1] + 'a' }}
{{ [1] + (1,) }}
{{ d + d }}
{{ 'a' - 'b' }}
{{ 'a' * 'b' }}
{{ none * 2 }}
{{ 1 / 0 }}
{{ 1 // 0 }}
{{ 1 % 0 }}
{{ 1.0 / 0 }}
{{ 1 < 'a' }}
{{ none > 1 }}
{{ d < d }}
{{ [1] < ['a'] }}
{{ 1 in 'abc' }}
{{ none in 'abc' }}
{{ 1 in 5 }}
{{ 1 in none }}
{% for i in 5 %}{% endfor %}
{% for i in none %}{% endfor %}
{% for a, b in [[1]] %}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{{ n() }}
{{ s() }}
{{ 5|length }}
{{ none|length }}
{{ 5|join }}
{{ 5|list }}
{{ none|first }}
{{ missing|tojson }}
{{ [missing]|tojson }}
{{ range|tojson }}
{{ {(1, 2): 1}|tojson }}
{{ missing|int }}
{{ none|abs }}
{{ 'abc'|abs }}
{{ [1].append(2) }}
{{ d.update({'a': 1}) }}
{{ d.pop('b') }}
{{ l.pop() }}
{{ s.index('q') }}
{{ l.index(9) }}
{{ ''.split('') }}
{{ ','.join([1]) }}
{{ ','.join(5) }}
{{ s.startswith(1) }}
{{ '%s %s' % 1 }}
{{ '%s' % (1, 2) }}
{{ '%d' % 'a' }}
{{ '{} {}'.format(1) }}
{{ '{x}'.format(1) }}
{{ range(1000000) }}
{{ range(1, 2, 0) }}
{{ {[1]: 2} }}
{{ s[::0] }}
{% set n.x = 1 %}
{% set missing.x = 1 %}
{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{% endmacro %}{{ f(b=1) }}
{% macro f(a) %}{{ a.b }}{% endmacro %}{{ f() }}
{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}
{{ 5|items|list }}
{{ l|dictsort(by='x') }}
{{ d|dictsort(by='x') }}
{{ 3.5|round(1, 'x') }}
{{ [1, 'a']|sort }}
{{ [1, 'a']|max }}
{{ [[1]]|unique|list }}
{{ l|map|list }}
{{ l|selectattr|list }}
{{ l|map('nope')|list }}
{{ l|select('nope')|list }}
{{ l|nope }}
{{ l is nope }}
{{ ('a' if no).x }}
{{ ([]|first).x }}
{{ ([]|max).x }}
{% for i in l %}{{ loop.previtem.x }}{% endfor %}
{{ 'a' is odd }}
{{ missing is odd }}
{{ s|indent(missing) }}
{{ '1'|round }}
{{ (l|map('string')).x.y }}
{{ (l|map('string'))|length }}
{{ (l|map('string'))|last }}
{{ namespace().x.y }}
{{ dict(1) }}
{{ dict([1]) }}
{{ dict([[1, 2, 3]]) }}
{{ l.x.y }}
{{ x.y.z }}
{{ yes.y.z }}
{{ missing|dictsort }}
{{ nothing[1:] }}
{{ d[1:] }}
{{ s[:missing] }}
{{ s['a':] }}
{{ d.items()[:1] }}
{{ range(none) }}
{{ dict(missing) }}
{{ '%.2f' % 'a' }}
{{ '{:>6}'.format([]) }}
{{ (1,).index(2) }}
{{ missing|abs }}
{{ none|indent }}
{{ ['a']|sum }}
{{ ''|indent(none) }}
"""

SYNTAX = r"""
{% if yes %}
{% for i in l %}
{% if yes %}{% endfor %}
{{ n
{{ n }
{{ }}
{{ 1 + }}
{{ n n }}
{{ (1 }}
{{ [1 }}
{{ 1) }}
{% nope %}
{% endif %}
{% set %}
{% set 1 = 2 %}
{% set true = 2 %}
{% for in l %}{% endfor %}
{% for i l %}{% endfor %}
{# open
{% raw %} open
{{ 'open }}
{{ n. }}
{{ n| }}
{{ n is }}
{{ f(a=1, 2) }}
{{ {1} }}
{{ n $ 2 }}
{{ n ? 1 : 2 }}
{% break %}
{% macro f(a=1, b) %}{% endmacro %}
{% else %}
{% if %}{% endif %}
{{ not }}
{{ 'a' if }}
{{ 'a' else 'b' }}
{% call 5 %}{% endcall %}
{% do l.append(1) %}
{% if n = 1 %}{% endif %}
{{ a = 1 }}
{{ l[ }}
{{ l[1 2] }}
{{ "\x4" }}
"""


def wording(message):  # Python's own phrases about its calls
    internal = ("do_", "got an unexpected", "takes ", "missing ", "argument ", "__", "object at 0x", "object must be",
                "cannot convert dictionary", "<template>", "can't multiply sequence by non-int of type 'NoneType'", "expected str", "'int' object cannot", "can't multiply sequence by non-int of type 'Undefined'")
    return any(part in message for part in internal) and "macro" not in message


def main():
    env = environment()
    lines = []
    for group, templates in (("text", PLAIN.split("\n")), ("text", BLOCKS), ("error", ERRORS.split("\n")),
                             ("syntax", SYNTAX.split("\n"))):
        for template in templates:
            if template == "" and templates is not BLOCKS:
                continue
            case = {"template": template}
            try:
                case["text"] = env.from_string(template).render(**VARIABLES)
            except jinja2.TemplateSyntaxError as error:
                case["error"] = error.message
            except Exception as error:
                case["error"] = "" if wording(str(error)) else str(error)
            if ("text" in case) != (group == "text") or " at 0x" in case.get("text", ""):
                print("not as meant:", template, case)
            lines.append(json.dumps(case, ensure_ascii=False))
    path = pathlib.Path(__file__).with_name("jinja_cases.jsonl")
    path.write_text("\n".join([json.dumps({"variables": VARIABLES}, ensure_ascii=False)] + lines) + "\n", encoding="utf-8")
    print(len(lines), "cases")


if __name__ == "__main__":
    main()
