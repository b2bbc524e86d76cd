#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("functions_paths: paths are taken apart") {
  const FunctionRow rows[] = {
      {"base", {Text("")}, "\".\""},
      {"base", {Text("/")}, "\"/\""},
      {"base", {Text("a/b.txt")}, "\"b.txt\""},
      {"base", {Text("/a//b/../c.d/")}, "\"c.d\""},
      {"base", {Text("../x")}, "\"x\""},
      {"base", {Text("a.b/c")}, "\"c\""},
      {"base", {Text("/..")}, "\"..\""},
      {"base", {Text(".")}, "\".\""},
      {"dir", {Text("")}, "\".\""},
      {"dir", {Text("/")}, "\"/\""},
      {"dir", {Text("a/b.txt")}, "\"a\""},
      {"dir", {Text("/a//b/../c.d/")}, "\"/a/c.d\""},
      {"dir", {Text("../x")}, "\"..\""},
      {"dir", {Text("a.b/c")}, "\"a.b\""},
      {"dir", {Text("/..")}, "\"/\""},
      {"dir", {Text(".")}, "\".\""},
      {"ext", {Text("")}, "\"\""},
      {"ext", {Text("/")}, "\"\""},
      {"ext", {Text("a/b.txt")}, "\".txt\""},
      {"ext", {Text("/a//b/../c.d/")}, "\"\""},
      {"ext", {Text("../x")}, "\"\""},
      {"ext", {Text("a.b/c")}, "\"\""},
      {"ext", {Text("/..")}, "\".\""},
      {"ext", {Text(".")}, "\".\""},
      {"clean", {Text("")}, "\".\""},
      {"clean", {Text("/")}, "\"/\""},
      {"clean", {Text("a/b.txt")}, "\"a/b.txt\""},
      {"clean", {Text("/a//b/../c.d/")}, "\"/a/c.d\""},
      {"clean", {Text("../x")}, "\"../x\""},
      {"clean", {Text("a.b/c")}, "\"a.b/c\""},
      {"clean", {Text("/..")}, "\"/\""},
      {"clean", {Text(".")}, "\".\""},
      {"isAbs", {Text("")}, "false"},
      {"isAbs", {Text("/")}, "true"},
      {"isAbs", {Text("a/b.txt")}, "false"},
      {"isAbs", {Text("/a//b/../c.d/")}, "true"},
      {"isAbs", {Text("../x")}, "false"},
      {"isAbs", {Text("a.b/c")}, "false"},
      {"isAbs", {Text("/..")}, "true"},
      {"isAbs", {Text(".")}, "false"},
  };
  CheckAll(rows);
}

}  // namespace
}  // namespace nodekeep::go
