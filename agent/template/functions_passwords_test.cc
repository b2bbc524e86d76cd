#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("derivePassword gives the password of a site") {
  struct Row {
    std::uint32_t counter;
    std::string_view kind, password, want;
  };
  const Row rows[] = {
      {1, "maximum", "secret", "o4$eWXtJieZ#%UQyhThd"},
      {1, "long", "secret", "JuvtQoceKaxy0,"},
      {1, "medium", "secret", "Juv8?Kav"},
      {1, "short", "secret", "Juv8"},
      {1, "basic", "secret", "otj83XfJ"},
      {1, "pin", "secret", "6478"},
      {2, "long", "p\xC3\xA4ss", "FobkVaziVaso5+"},
      {1, "zz", "secret", "cannot find password template zz"},
  };
  for (const Row& row : rows) {
    INFO(row.counter << " " << row.kind);
    const Value arguments[] = {Value::Unsigned(Type::kUint32, row.counter), Text(row.kind),
                               Text(row.password), Text("user"), Text("example.com")};
    CHECK(Outcome("derivePassword", arguments) == fmt::format("\"{}\"", row.want));
  }
}

TEST_CASE("decryptAES reads what a password encrypted, and fails as Go does") {
  const std::string_view crypt = "MDEyMzQ1Njc4OWFiY2RlZgQdryWfWSp6ZOUi0q2ZrNg=";
  const FunctionRow rows[] = {
      {"decryptAES", {Text("pw"), Text(crypt)}, "\"hello\""},
      {"decryptAES", {Text("pw"), Text("")}, "\"\""},
      {"decryptAES",
       {Text("other"), Text(crypt)},
       "error: runtime error: slice bounds out of range [:-25]"},
      {"decryptAES",
       {Text("pw"), Text("YWJj")},
       "error: runtime error: slice bounds out of range [:16] with capacity 3"},
      {"decryptAES", {Text("pw"), Text("%%%")}, "error: illegal base64 data at input byte 0"},
      {"decryptAES", {Text("pw"), Text("a")}, "error: illegal base64 data at input byte 0"},
      {"decryptAES", {Text("pw"), Text("YWJjYQ")}, "error: illegal base64 data at input byte 4"},
      {"decryptAES",
       {Text("pw"), Text("MDEyMzQ1Njc4OWFiY2RlZg==")},
       "error: runtime error: index out of range [-1]"},
      {"decryptAES",
       {Text("pw"), Text("MDEyMzQ1Njc4OWFiY2RlZmFiY2Q=")},
       "error: crypto/cipher: input not full blocks"},
  };
  CheckAll(rows);
}

TEST_CASE("what encryptAES writes differs each time and decryptAES reads it") {
  const std::string long_password(40, 'q');
  for (const std::string_view password : {std::string_view(""), std::string_view(long_password)}) {
    for (const std::string& text : {std::string("a"), std::string(16, 'x'), std::string(31, 'y')}) {
      INFO(password << " " << text);
      const Value arguments[] = {Text(password), Text(text)};
      const std::string once = Outcome("encryptAES", arguments);
      CHECK(once != Outcome("encryptAES", arguments));
      const Value back[] = {Text(password), Text(once.substr(1, once.size() - 2))};
      CHECK(Outcome("decryptAES", back) == "\"" + text + "\"");
    }
  }
  const Value nothing[] = {Text("pw"), Text("")};
  CHECK(Outcome("encryptAES", nothing) == "\"\"");
}

}  // namespace
}  // namespace nodekeep::go
