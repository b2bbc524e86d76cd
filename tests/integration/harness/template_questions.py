"""Templates to ask both Nodekeep and Go: of the language and of fmt, from tables."""

from collections.abc import Iterator
from itertools import product

JSON = (
    '{"x":{"y":1,"n":null,"l":[1,"two",null,{"q":1.5}]},"s":"str","big":1234567,"t":true,"e":{},"el":[]}'
)
DATA = {"a": "A", "b": "B", "empty": "", "dash-key": "D", "text": "line 1\nline \u00e9", "j": JSON}

# Questions whose outcome differs on purpose: template -> why.
ON_PURPOSE: dict[str, str] = {}

# Values as a template writes them.
SCALARS = [
    "0", "1", "-1", "42", "255", "-42", "65", "0x1F600", "9223372036854775807", "-9223372036854775808",
    "0.0", "1.0", "-1.5", "3.14159", "1000000.0", "123456789.0", "1e21", "1e-7", "0.1", "123456.0", "2.5e10",
    '""', '"a"', '"abc"', '"a b"', '"\u00e9\u00e8"', '"a\\n\\t\\"`"', '"\\xff\\x00"', '"\u20ac\U0001F600"', '"\\u200b"',
    "true", "false", "nil", "'x'", "(int64 7)", '(index "abc" 0)',
]
COMPOSITES = [
    "(list)", '(list 1 "a" nil 1.5 true)', '(list (list 1) (list "b"))', "(dict)", '(dict "a" 1 "b" nil)',
    '(dict "k" (list 1 2))', "(until 3)", '(splitList "," "x,y")', '(split "," "x,y")', "(chunk 1 (list 1 2))", ".",
    "(rest list)", "(fromJson .j).x",
]
VERBS = "v d s q x X t g e f G E F b o O c U T z"
FLAGS = ["", "+", "-", "#", " ", "0", "8", "-8", "08", "+8", "+08", "#8", ".3", "8.3", "-8.3", "08.3", "+.2", "#.3", "# ", ".0"]

ACTIONS = """
{{ .a }}
{{ .none }}
{{ $.none }}
{{ . }}
{{ $ }}
{{ .a.b }}
{{ $.a.b.c }}
{{ (.a).b }}
{{ ((.a)).b }}
{{ (fromJson .j).x.y }}
{{ (fromJson .j).x.n }}
{{ (fromJson .j).x.n.z }}
{{ ((fromJson .j).x.n).z }}
{{ (fromJson .j).x.l }}
{{ (fromJson .j).x.y.z }}
{{ (fromJson .j).big }}
{{ index . "dash-key" }}
{{ index . "none" }}
{{ index . }}
{{ index }}
{{ index nil }}
{{ index nil 1 }}
{{ index . 1 }}
{{ index . nil }}
{{ index .a 0 }}
{{ index .a 1 }}
{{ index .a 2 }}
{{ index .a "x" }}
{{ index 3 1 }}
{{ index (list 1 2) 1 }}
{{ index (list 1 2) 2 }}
{{ index (list 1 2) 3 }}
{{ index (list 1 2) -1 }}
{{ index (list 1 2) 1.0 }}
{{ index (fromJson .j) "x" "l" 3 "q" }}
{{ index (fromJson .j) "zz" "y" }}
{{ len .a }}{{ len . }}{{ len (list 1) }}
{{ len nil }}
{{ len 3 }}
{{ len }}
{{ len 1 2 }}
{{ not .a }}{{ not .empty }}{{ not nil }}{{ not (list) }}
{{ not }}
{{ and 1 0 2 }}{{ or 0 "" "x" }}
{{ and }}
{{ or }}
{{ and nil 1 }}{{ or nil nil }}
{{ and 0 (fail "x") }}{{ or 1 (fail "x") }}
{{ and 1 (fail "x") }}
{{ 3 | and 0 }}{{ 3 | and 1 }}{{ 0 | or 0 }}
{{ call }}
{{ call nil }}
{{ call .a }}
{{ .a | call }}
{{ 5 | call }}
{{ call 1 2 }}
{{ print }}{{ print nil }}{{ print 1 2 "a" "b" 3 4 nil nil }}
{{ println }}{{ println 1 "a" }}
{{ printf }}
{{ printf 1 }}
{{ printf nil }}
{{ 1 | printf }}
{{ "%d" | printf }}
{{ printf "%d %d" 1 | print }}
{{ html "<a href='x'>&\\"" }}
{{ html nil 1 "a<" }}
{{ js "'x'=<>&\\\\\\n\u2028\u00e9" }}
{{ js nil }}
{{ urlquery "a b&c=d/\u00e9~-_." 1 }}
{{ urlquery nil }}
{{ .a | }}
{{ | }}
{{ }}
{{ nil }}
{{ nil | print }}
{{ nil.x }}
{{ (nil).x }}
{{ 3.x }}
{{ "a".x }}
{{ true.x }}
{{ (true).x }}
{{ 3 4 }}
{{ "a" "b" }}
{{ . 3 }}
{{ $ 3 }}
{{ (1) 3 }}
{{ 3 | (1) }}
{{ 3 | .a }}
{{ .a 3 }}
{{ 1 | 2 }}
{{ 1 | "x" }}
{{ . | . }}
{{ "a" | nil }}
{{ foo }}
{{ .a | foo }}
{{ $y }}
{{ $y := 1 }}{{ $y }}{{ $y = 2 }}{{ $y }}
{{ $y = 1 }}
{{ $y := }}
{{ $a, $b := list 1 }}
{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ end }}{{ $x }}
{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}
{{ if $x := 1 }}{{ $x }}{{ end }}{{ $x }}
{{ if false }}{{ $z = 3 }}{{ $z }}{{ end }}
{{ if .a }}1{{ else }}2{{ end }}
{{ if .empty }}1{{ else if 0 }}2{{ else if .a }}3{{ else }}4{{ end }}
{{ if 0.0 }}1{{ else }}2{{ end }}{{ if nil }}{{ end }}
{{ if }}{{ end }}
{{ if 1 }}
{{ if 1 }}{{ else }}{{ else }}{{ end }}
{{ if 1 }}{{ else with 2 }}{{ end }}
{{ with .a }}{{ . }}{{ $.b }}{{ end }}
{{ with .a }}{{ .b }}{{ end }}
{{ with .empty }}x{{ else }}y{{ . }}{{ end }}
{{ with 0 }}{{ else with 5 }}{{ . }}{{ else }}e{{ end }}
{{ with $x := .a }}{{ $x }}{{ end }}
{{ with 1 }}{{ else if 2 }}{{ end }}
{{ range list 1 2 3 }}{{ . }},{{ end }}
{{ range $x := list 1 2 }}{{ $x }},{{ end }}
{{ range $i, $x := list 5 6 }}{{ $i }}={{ $x }},{{ end }}
{{ range $k, $v := . }}{{ $k }}={{ $v }},{{ end }}
{{ range $k, $v := (fromJson .j).x }}{{ $k }}={{ $v }},{{ end }}
{{ range (fromJson .j).x.l }}[{{ . }}]{{ end }}
{{ range (fromJson .j).x.l }}{{ .q }}{{ end }}
{{ range list nil }}{{ .foo }}{{ end }}
{{ range 3 }}{{ . }}{{ end }}{{ range 0 }}{{ else }}none{{ end }}{{ range -1 }}{{ else }}none{{ end }}
{{ range $i := 3 }}{{ $i }}{{ end }}{{ range int64 2 }}{{ . }}{{ end }}
{{ range $i, $x := 3 }}{{ end }}
{{ range .a }}{{ end }}
{{ range 1.5 }}{{ end }}
{{ range true }}{{ end }}
{{ range nil }}{{ end }}
{{ range list }}x{{ else }}{{ . }}{{ end }}
{{ range list 1 2 3 4 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ if eq . 3 }}{{ break }}{{ end }}{{ end }}
{{ range 3 }}{{ range list }}{{ else }}x{{ break }}{{ end }}y{{ end }}
{{ range 3 }}{{ range list }}{{ else }}x{{ continue }}{{ end }}y{{ end }}
{{ range 2 }}{{ range 2 }}{{ break }}{{ end }}a{{ end }}
{{ range list }}{{ else }}{{ break }}{{ end }}
{{ $i := 0 }}{{ $v := 0 }}{{ range $i, $v = list 7 8 }}{{ end }}{{ $i }}{{ $v }}
{{ $v := 0 }}{{ range $v = list }}{{ else }}{{ $v }}{{ end }}
{{ range $y = list 1 }}{{ end }}
{{ range $a, $b, $c := list 1 }}{{ end }}
{{ range $a, 1 := list 1 }}{{ end }}
{{ range $x, }}{{ end }}
{{ range 3 }}{{ else if 1 }}{{ end }}
{{ break }}
{{ continue }}
{{ range 3 }}{{ break 1 }}{{ end }}
{{ range 3 }}{{ block "x" . }}{{ break }}{{ end }}{{ end }}
{{ range 3 }}{{ block "x" . }}{{ . }}{{ end }}{{ end }}
{{ define "x" }}[{{ . }}{{ $ }}]{{ end }}{{ template "x" .a }}{{ template "x" }}
{{ define "x" }}{{ .q }}{{ end }}{{ template "x" .a }}
{{ define "x" }}{{ .q }}{{ end }}{{ template "x" }}
{{ define "x" }}{{ .q }}{{ end }}{{ template "x" . }}
{{ template "x" $y := .a }}{{ define "x" }}[{{ . }}]{{ end }}{{ $y }}
{{ template "x" }}
{{ template x }}
{{ template "x" | print }}
{{ template "x" 1 2 }}{{ define "x" }}{{ end }}
{{ template .a }}
{{ block "x" .b }}{{ . }}{{ end }}{{ define "x" }} {{/* c */}} {{ end }}
{{ block "x" .b }}{{ . }}{{ end }}{{ define "x" }}o{{ end }}
{{ block "x" }}{{ end }}
{{ define "x" }}a{{ end }}{{ define "x" }}{{ end }}{{ template "x" }}
{{ define "x" }}{{ end }}{{ define "x" }}b{{ end }}{{ template "x" }}
{{ define "x" }}a{{ end }}{{ define "x" }}b{{ end }}
{{ define "t" }}aa{{ end }}
{{ define "t" }}aa{{ end }}x
{{ define x }}{{ end }}
{{ define "x" 1 }}{{ end }}
{{ define "x" }}{{ else }}{{ end }}
{{ define "x" }}
{{ if 1 }}{{ define "x" }}{{ end }}{{ end }}
{{ define "x" }}{{ $.a }}{{ end }}{{ $a := 1 }}{{ template "x" dict "a" 3 }}
{{ define "x" }}{{ $a }}{{ end }}{{ $a := 1 }}{{ template "x" }}
{{ define "n" }}{{ if . }}{{ len . }}{{ template "n" (rest .) }}{{ end }}{{ end }}{{ template "n" (list 1 2 3) }}
{{ end }}
{{ else }}
{{ end 1 }}
{{ else 1 }}
{{ .a, }}
{{ (.a }}
{{ .a) }}
{{ .a"x" }}
{{ .a
{{ /* x */ }}
{{/* x */}}y{{- /* x */ -}} z
{{/* x
{{/* x */ }}
{{ "abc }}
{{ `abc }}
{{ 'a }}
{{ 'ab' }}
{{ '' }}
{{ "\\q" }}
{{ '\\q' }}
{{ "\\ud800" }}
{{ "\\400" }}
{{ "\\'" }}
{{ .a@ }}
{{ @ }}
{{ # }}
{{ : }}
{{ \u00e9 }}
{{ .\u00e9 }}
{{ \u201c }}
{{ .1 }}
{{ .a.1 }}
{{ ..a }}
{{ .a. }}
{{ print (1)(2) }}
{{ print (1) (2) }}
{{ ( ) }}
{{ 1 := 2 }}
{{- 1 -}} 2 {{- 3 }} {{ 4 -}} 5
{{-1}} {{- 1}} {{1 -}} x
{{-}}
{{- -}}
{{ 0x1E }} {{ -0x1E }} {{ +0x1E }} {{ 0x1p4 }} {{ 0b11 }} {{ 0o17 }} {{ 017 }} {{ 1_000 }} {{ 0x_1F }} {{ 1_0.5 }}
{{ .5 }} {{ 5. }} {{ +.5 }} {{ -0.0 }} {{ 00 }} {{ 1e0 }} {{ 1.e3 }} {{ 0x1.8p1 }} {{ 0x.8p0 }}
{{ 'a' }}{{ '\\n' }}{{ '\\x41' }}{{ '\\u00e9' }}{{ '\\'' }}
{{ "a\\u00e9\\x41\\101\\U0001F600\\a\\"" }}{{ `a\\n"` }}
{{ 08 }}
{{ 1__0 }}
{{ 1_ }}
{{ 0x }}
{{ 0xp1 }}
{{ 1e }}
{{ 1e400 }}
{{ 9223372036854775808 }}
{{ 18446744073709551616 }}
{{ 0b12 }}
{{ 0o8 }}
{{ 1a }}
{{ +-1 }}
{{ 1.2.3 }}
{{ trunc 2.0 "abc" }}
{{ trunc 2.5 "abc" }}
{{ trunc nil "abc" }}
{{ trunc "a" "abc" }}
{{ trunc 9223372036854775808 "a" }}
{{ upper 3 }}
{{ 3 | upper }}
{{ upper }}
{{ upper 1 2 }}
{{ upper nil }}
{{ upper (coalesce nil) }}
{{ upper coalesce }}
{{ coalesce.x }}
{{ hello.x }}
{{ hello .x }}
{{ hello }}{{ print hello }}
{{ replace "a" }}
{{ "x" | replace "a" }}
{{ "banana" | replace "a" "o" | upper | printf "%s-%d" }}
{{ hasKey . "a" }}
{{ hasKey nil "a" }}
{{ hasKey 1 "a" }}
{{ ternary 1 2 3 }}
{{ 1 | ternary 1 2 }}
{{ ternary 1 2 true }}
{{ round 3.15 1 "x" }}
{{ (dict "a" (list)).a.b }}
{{ (list 1).foo }}
{{ range list 1 }}{{ .foo }}{{ end }}
{{ range $x := list nil }}{{ upper $x }}{{ end }}
{{ range $x := list "a" }}{{ upper $x }}{{ end }}
{{ range list "a" }}{{ upper . }}{{ . | upper }}{{ end }}
{{ $d := dict "a" 1 }}{{ range $k, $v := $d }}{{ $_ := set $d "b" 2 }}{{ $k }}{{ end }}{{ $d }}
""".replace("\\\\", "\\")

FORMATS = """
%!|1
%z|1
%d|"a"
%d|
%d|1 2 "x" nil
%|
%|1
%%|
%5%|-1
%[2]d %[1]d|1 2
%[3]d|1
%[x]d|1
%[1|1
%[1]d %d %[1]d|1 2
%[]d|1
%[0]d|1
%[-1]d|1
%[2]*[1]d|2 6
%[1]3d|2
%[1].2d|2
%.[1]*d|2
%*d|5 1
%-*d|5 1
%*d|-5 3
%.*f|2 3.14159
%*d|"x" 4
%.*d|-1 4
%.*d|"x" 4
%*d|1
%.d|1
%-010d|-7
%+ d|7
%s %v %d %x %q %z|nil nil nil nil nil nil
%w|1
%\u00e9|1
%-+ #0v|1
%5z|3
%x|-255
% x|"abc"
%# x|"abc"
%#q|"a`b"
%+q|"\u00e9"
%#U|0x1F600
%.2q|"abc"
%6.2f|(list 1.0 "a")
%t|1
%10.2e|12345.678
a%db%sc|1 "x"
""".strip("\n").replace("\\u00e9", "\u00e9")


def language_questions() -> Iterator[dict]:
    """Questions about parsing, execution and fmt: {"template": ..., "data": ...}."""
    for template in ACTIONS.strip("\n").splitlines():
        yield {"template": template, "data": DATA}
    # Positions in templates of several lines.
    for template in ("a\nb {{ .none }}", "{{ .a\n}}\n{{ $.a.b }}", "\n{{ .a\n\n", '{{ .a\n"b', "{{ if .a }}\n\n", "{{/* a\nb */}}{{ foo }}"):
        yield {"template": template, "data": DATA}
    for line in FORMATS.splitlines():
        text, _, operands = line.rpartition("|")
        yield {"template": "{{ printf `" + text.replace("`", "") + "` " + operands + " }}", "data": DATA}
    for verb, value in product(VERBS.split(), SCALARS + COMPOSITES):
        yield {"template": f'{{{{ printf "%{verb}|%+{verb}|%#{verb}" {value} {value} {value} }}}}', "data": DATA}
    for flags, verb, value in product(FLAGS, "vdsqxgfeU", SCALARS[:34:3] + COMPOSITES[1:5:2]):
        yield {"template": f'{{{{ printf "%{flags}{verb}" {value} }}}}', "data": DATA}
    for value in SCALARS + COMPOSITES:
        operand = value if value != "nil" else "(index (list nil) 0)"
        yield {"template": f"{{{{ {operand} }}}}|{{{{ print {value} {value} }}}}|{{{{ html {value} }}}}|{{{{ js {value} }}}}|{{{{ urlquery {value} }}}}", "data": DATA}
        yield {"template": f"{{{{ if {operand} }}}}true{{{{ else }}}}false{{{{ end }}}}{{{{ not {value} }}}}", "data": DATA}
        yield {"template": f"{{{{ len {value} }}}}", "data": DATA}
        # An error text with invalid UTF-8 would not survive the oracle's JSON.
        if "\\xff" not in value:
            yield {"template": f"{{{{ range {operand} }}}}{{{{ break }}}}{{{{ end }}}}", "data": DATA}
        yield {"template": f"{{{{ ({operand}).x }}}}", "data": DATA}
    compared = ["1", "2", "1.0", '"a"', "true", "nil", "(list 1)", '(dict "a" 1)', "(int64 1)", '(index "abc" 0)', "97"]
    for name, left, right in product(("eq", "ne", "lt", "le", "gt", "ge"), compared, compared):
        yield {"template": f"{{{{ {name} {left} {right} }}}}", "data": DATA}
