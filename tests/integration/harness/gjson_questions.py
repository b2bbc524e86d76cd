"""Documents and paths for the comparison of the gjson paths with tidwall/gjson: every path is asked of every document."""

import random

STORE = """{
  "name": {"first": "Tom", "last": "Anderson", "äö": "ü"},
  "age": 37, "big": 12345678901234567890, "float": 1.50, "exp": 1e21, "neg": -0.0, "tiny": 1.5e-10,
  "yes": true, "no": false, "nothing": null, "empty": "", "zero": 0,
  "children": ["Sara", "Alex", "Jack", 5, null, true, {"a": 1}, [1, 2]],
  "fav.movie": "Deer Hunter", "a|b": "pipe", "#": "hash", "@this": "at", "*": "star", "?": "mark", "": "no name",
  "esc\\u0061ped\\n": "line\\tend \\ud83d\\ude00 \\ud83d \\u00e9 \\/",
  "friends": [
    {"first": "Dale", "last": "Murphy", "age": 44, "nets": ["ig", "fb", "tw"], "on": true},
    {"first": "Roger", "last": "Craig", "age": 68, "nets": ["fb", "tw"], "on": false},
    {"first": "Jane", "last": "Murphy", "age": 47.5, "nets": ["ig", "tw"], "x": {"y": [1, {"z": null}]}},
    {"first": "1", "age": "34", "on": null}
  ],
  "nested": [[1, [2, 3]], [], [[4]], {"k": [5]}],
  "json": "{\\"in\\": [1, \\"two\\"]}",
  "dup": 1, "dup": 2, "obj": {"0": "zero", "1": {"2": "two"}, "a b": "space", "-1": "minus"}
}"""

DOCUMENTS = {
    "store": STORE,
    "array": '[1, "two", {"a": "b", "n": 3}, [4, [5, {"a": 6}]], null, true, false, 1.0, -2e3, {"a": null}]',
    "objects": '[{"k":"a","v":1,"t":{"u":[1,2]}},{"k":"b","v":2},{"k":"c","v":"3","w":true},{"v":null},7,"k",{"k":"a","k":"z"}]',
    "lines": '{"a":1,"b":{"c":[1,2]}}\n{"a":2}\n{"a":"x"}\n[3,4]\n"five" 6 null',
    "columns": '{"id":["123","456","789"],"val":[2,1],"skip":3,"deep":{"id":[{"id":1},[{"id":2}]]}}',
    "scalar": ' "text\\n\\u0041" ',
    "number": "-12.50",
    "null": "null",
    "empty": "",
    "spaces": " \t\n",
    "no object": "plain text, no JSON at all: {",
    "trailing": '{"a":1} {"a":2}, garbage ]',
    "no commas": '{"a":1 "b":2 "c" {"d" 3} "e" [1 2 "3"]}',
    "cut": '{"a":{"b":[1,2,{"c":"unfinished',
    "cut key": '{"a":1,"b',
    "literals": '{"a":tru,"b":nul,"c":007,"d":+1,"e":NaN,"f":1e400,"g":inf,"h":nan,"i":falsey,"j":-,"k":1_000,"l":0x1p4,"m":.5}',
    "brackets": '{"a":[1,2},"b":{"c":3],"d":(4),"e":5}',
    "quotes": '{"a\\"b":"c\\\\","d\\\\":"\\\\\\"","e":"\\x","f":"\\u12","g":"tab\there"}',
    "deep": '{"a":{"a":{"a":{"a":{"a":[{"a":[{"a":1}]}]}}}}}',
    "pretty": '{"b":[1,2,3],"a":{"y":{},"x":[]},"c":["' + "long text " * 9 + '",1],"d":[{"e":1},[2,[3]]],"aa":"\\u0062","b":0}',
    "bom": "\ufeff{\"a\":1}",
    "html": '{"a":"<b>&</b>","\u2028":"\u2028\u2029","c":"\x7f","<k>":1}',
}

PATHS = """
a|b|c|a.b|a.a|a.a.a|a.0|a.1|0|1|2|3|01|-1|18446744073709551616|18446744073709551617|99|2.a|3.1.0|3.1.1.a|name|name.first|name.last|name.äö|age|big
float|exp|neg|tiny|yes|no|nothing|empty|zero|children|children.#|children.0|children.3|children.4|children.6.a|children.7.1|dup|obj.0|obj.1.2|obj.-1|json
fav\\.movie|fav.movie|a\\|b|\\#|\\@this|\\*|\\?|*|?|n*|n*e|na?e|*.first|*.f*|child*.2|c?ildren.0|a\\*|*a*|**|f*s.*|\\**|esc*|escaped\\\\n|obj.a b|name.
name..first|.name|..|..#|..#.a|..0|..0.a|..1.a|..#(a=1).b|..#(a>0)#|..3.1|..#.b.c|friends|friends.#|friends.#.first|friends.#.age|friends.#.nets|friends.#.nets.#
friends.#.nets.0|friends.#.nope|friends.0.first|friends.1.nets.1|friends.9.first|friends.first|friends.#.x.y.#|friends.#.x.y.1.z|name.#|name.#.x
friends.#(last=="Murphy").first|friends.#(last=="Murphy")#.first|friends.#(last=Murphy)#.first|friends.#(last!="Craig")#.first|friends.#(age>45)#.last
friends.#(age>=47.5)#.first|friends.#(age<47)#.first|friends.#(age<=44).first|friends.#(first%"D*").last|friends.#(first!%"D*").last|friends.#(first%"D?le").age
friends.#(nets.#(=="fb"))#.first|friends.#(nets.#(=="ig")).last|friends.#(nets.0=="ig")#.first|friends.#(on=true).first|friends.#(on=false).first|friends.#(on!=true)#.first
friends.#(on=~true)#.first|friends.#(on=~false)#.first|friends.#(on==~null)#.first|friends.#(on==~*)#.first|friends.#(on==~what)#.first|friends.#(x)#.first|friends.#(x).x
friends.#(on==null)#.first|friends.#(age==34).first|friends.#(age=="34").first|friends.#(age>"40")#.age|friends.#(last>"D")#.first|friends.#(last<"D")#.first|friends.#(first>=R)#.first
friends.#[last="Murphy"].first|friends.#[last="Murphy"]#.first|friends.#(last="Murphy"|friends.#()|friends.#()#|friends.#(=1)|friends.#( last = "Murphy" ).first
friends.#(last=='Murphy').first|friends.#(last=="Mur\\phy").first|friends.#(last=="Mur\\"phy").first|friends.#(!last).first|friends.#(last!).first|friends.#(last==="Murphy").first
children.#(=="Alex")|children.#(%"*a*")#|children.#(!%"*a*")#|children.#(>"B")#|children.#(=5)|children.#(>4)#|children.#(=true)|children.#(!=true)#|children.#(=null)|children.#(a=1).a
children.#(==~null)|children.#(==~true)#|children.#(==~false)#|children.#(==~*)#|nested.#(#>1)#|nested.#.0|nested.#.#|nested.#.#.0|nested.#(0=1)|nested.#(0>=1)#|#|#.a|#.k|#(k=a)|#(k=a)#
#(k="a")#.v|#(v>1)#.k|#(v>1).k|#(=7)|#(="k")|#(%"*")#|#(k)#|#.t.u|#.t.u.#|#.t.u.0|#.t.u|0|#(k=a)#|#|#(k=a)#|0.v|#.v|1|#.k|#|#.k.#|#.nope|##|#x|#.|#|
@this|@this.name|@this|name|@this.name.first|name.@this|name.@keys|name|@keys|name.@values|@keys|@values|@keys.#|age.@keys|age.@values|nope.@keys|@reverse|@reverse.0|name.@reverse
children.@reverse|children.@reverse.0|friends.@reverse.0.first|friends.#.first.@reverse|friends.#.first|@reverse|0|nested.@flatten|nested.@flatten:{"deep":true}|nested.@flatten:{"deep":false}
nested|@flatten|#|nested.@flatten:{"deep":1}|@flatten|@flatten:{"deep":true}|friends.@join|friends.@join:{"preserve":true}|friends.@join.first|@join|@join:{"preserve":true}|@group|deep.@group
@valid|@valid.a|a.@valid|@ugly|@pretty|@pretty:{"sortKeys":true}|@pretty:{"indent":"\\t","prefix":" ","width":20}|@pretty:{"width":0}|@pretty:{"width":-1}|@pretty:{"indent":"ab ","sortKeys":1}
@pretty:{"width":"10"}|@pretty|@ugly|children.@pretty|children.@ugly|@tostr|@tostr|@fromstr|@tostr|@fromstr|@this|name|name.@tostr|name.@tostr.@fromstr|name.first.@tostr|json.@fromstr|json.@fromstr.in.1
json|@fromstr|in|#|age.@fromstr|name.first.@fromstr|@fromstr|@dig:first|@dig:a|@dig:#|@dig:k.0|@dig:id|#|@dig|@dig:|@nope|@nope.a|@nope:arg|a.@nope|@|@this:arg|@this:{"a":1}.name|@this:"x"|name|@THIS
@keys:a|b|@reverse:[1,2|3]|0|@dig:{a,b}|name.@nope|@this.@this.@this|@this|@this|name
[name.first,age]|[name.first,age].0|[name.first,age]|1|[nope]|[nope,age]|[]|{}|{nope}|{name.first,age}|{name.first,"years":age}|{name.first,years:age}.years|{"n":name.first}|n|{"a":a,"b":b}|{a,b,c}
{name.first|@this,age}|{"x":{name.first},"y":[age,big]}|{children.#,friends.#.first}|{"bad:name}|{name.first,name.first}|[@this]|[@this.#]|{@this}|{"all":@this}|{a.@reverse,b|@this}|{f\\.g,fav\\.movie}|{"q\\"":age}
friends.#.[first,age]|friends.#.{first,age}|friends.#.{"n":first,"x":x.y.#}|friends.#(age>45)#.{first,"l":last}|friends.0.[first,last]|friends.0.{first,last}.last|friends.[0,1]|friends.[0.first,1.first].1
friends.{0.first}|name.[first,last].#|name.{first,last}.@keys|[name|first,age|@this]|[a,b|[c,d|{name,age|{a.b:c}|{"a":1}|{"v":!1}|{"v":!"text"}|{"v":!true,"w":!null}|[!1,!"two",!{"three":3},![4]]
!1|!"text"|!"text"|@this|!{"a":{"b":2}}.a.b|!{"a":1}|a|![1,2,3].#|![1,2].1|!true|!false|!null|!NaN|!inf|!Inf|!nope|!|!true.a|!null|@this|!-5|!+5|!5.a|name.!1|name|!"x"|a.b|!{"c":1}|c
friends.0|first|friends|0|first|friends|#|friends|#.first|friends|#(last=Craig)|first|name|first|name|name|friends.#.first|0|friends.#.first|#|friends.#(age>45)#|#|friends.#(age>45)#|0.first
friends.#(age>45)#.first|0|friends.#(last="nope")#|friends.#(last="nope")#.first|friends.#(last="nope")#|#|friends.#(last="nope").first|friends.#(on)|#.first|friends.#.first.0|friends.#|x
|a||b|a.|a|.a||.|.|a..b|\\|\\\\|a\\|a\\.b|\\a|d\\\\\\\\|a"b|a\\"b|e.#|e.1|e.@values|b.#|b.c.1|b.c.#|e|f|g|h|i|j|k|l|m|id.0|val.#|skip.#|deep.id.#.id|deep.id.1.0.id|deep.id.#.#.id|d.e|c.d
html.a|a|<k>|\u2028|{a,<k>}|{"<k>":a}|@tostr|é*|a*|*é|name.ä?|name.?ö|name.??|name.*ö|n?m?.f?rst|*e*.*t|friends.#(first%"*a*e*").age|friends.#(first%"\\*").age|friends.#(first%"").age|friends.#(first%"*").age
""".replace("\n", "|").strip("|")

# A path ends at "|" in the text above only outside of a pipe: paths with pipes are written here.
PIPES = [
    "name|first", "name|@keys", "friends|0|first", "friends|#", "friends|#.first", "friends|#(last=Craig)|first", "friends.0|first",
    "friends.#.first|0", "friends.#.first|#", "friends.#.first|@reverse|0", "friends.#(age>45)#|#", "friends.#(age>45)#|0.first",
    "friends.#(age>45)#.first|0", 'friends.#(last="nope")#|#', "friends.#(on)|#.first", "friends.#.nets|#", "friends.#.nets|0|1", "#|0", "#.k|0", "#.k|#",
    "#(k=a)#|#", "#(k=a)#|0.v", "#.v|1", "nope|@this", 'nope|!"v"', "nope|!1", "nope|[a,b]", "a|b", "a\\|b", "|a", "a|", "a||b", "|", "||", "@this|name",
    "@tostr|@fromstr", "@tostr|@fromstr|name", "@pretty|@ugly", "@flatten|#", "@keys|0", "@values|@keys", "@this|@this|name", '!"text"|@this',
    '!{"a":1}|a', "!null|@this", "!5|@this", '@this:"x"|name', "@keys:a|b", "@reverse:[1,2|3]|0", "[name.first,age]|1", "[a|b,c]", "{name|first,age|@this}",
    "{name.first|@this,age}|@keys", '{"n":name|first}|n', "[name|first,age|@this]", "friends.#.{first|@this,age}", "friends.#.[first|@this,age]|0",
    "friends.#(last|@this=Murphy).first", "friends.#.first|friends", "..#|0", "..0|a", "..#.a|0", "..#.b|0.c|1", "friends.#|0", "friends.#.nets.#|0",
    "name.first|@tostr|@fromstr", "json|@fromstr|in|#", "friends.#.x|0.y|1.z", "obj|1|2", "children.#(>4)#|0", "children.@reverse|0", "a.#|b", "#.#|0",
]

ALPHABET = ["a", "b", "k", "name", "friends", "first", "0", "1", "#", "#", ".", ".", ".", "|", "*", "?", "@this", "@keys", "@reverse", "@flatten", "@join", "@tostr",
            "@fromstr", "@values", "@group", "@ugly", "@pretty", ":", "(", ")", "[", "]", "{", "}", ",", "=", "==", "!=", "<", ">", "%", "!%", "~true", "~null", "!",
            '"', "\\", "age", "last", "Murphy", "45", '{"deep":true}', "@dig:", " ", "null", "true", "é"]


def random_paths(count: int, seed: int = 20261130) -> list[str]:
    """Paths put together at random, always the same ones."""
    source = random.Random(seed)
    return ["".join(source.choices(ALPHABET, k=source.randint(1, 9))) for _ in range(count)]


def paths() -> list[str]:
    return list(dict.fromkeys([*PATHS.split("|"), *PIPES, *random_paths(600)]))


def questions() -> list[tuple[str, str]]:
    """Pairs of a document's text and a path."""
    return [(text, path) for text in DOCUMENTS.values() for path in paths()]
