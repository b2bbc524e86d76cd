#include <catch2/catch_test_macros.hpp>

#include "agent/template/function_call_test.h"

namespace nodekeep::go {
namespace {

TEST_CASE("functions_encoding: text is encoded, decoded and digested") {
  const FunctionRow rows[] = {
      {"b64enc", {Text("user:p\u00e4ssword")}, "\"dXNlcjpww6Rzc3dvcmQ=\""},
      {"b64dec", {Text("dXNl\ncg==")}, "\"user\""},
      {"b64dec", {Text("YR==")}, "\"a\""},
      {"b32enc", {Text("user")}, "\"OVZWK4Q=\""},
      {"b32dec", {Text("OVZWK4Q=")}, "\"user\""},
      {"b32dec", {Text("OVZW\nK4Q=")}, "\"user\""},
      {"sha1sum", {Text("abc")}, "\"a9993e364706816aba3e25717850c26c9cd0d89d\""},
      {"sha256sum",
       {Text("")},
       "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\""},
      {"adler32sum", {Text("abc")}, "\"38600999\""},
  };
  CheckAll(rows);
}

TEST_CASE("functions_encoding: what cannot be decoded gives the text of the error") {
  const FunctionRow rows[] = {
      {"b64dec", {Text("abc")}, "\"illegal base64 data at input byte 0\""},
      {"b64dec", {Text("ab-_")}, "\"illegal base64 data at input byte 2\""},
      {"b64dec", {Text("abc==")}, "\"illegal base64 data at input byte 4\""},
      {"b64dec", {Text("ab=x")}, "\"illegal base64 data at input byte 2\""},
      {"b64dec", {Text("ab=")}, "\"illegal base64 data at input byte 3\""},
      {"b64dec", {Text("a")}, "\"illegal base64 data at input byte 0\""},
      {"b64dec", {Text("YQ==x")}, "\"illegal base64 data at input byte 4\""},
      {"b32dec", {Text("abc")}, "\"illegal base32 data at input byte 0\""},
      {"b32dec", {Text("A=======")}, "\"illegal base32 data at input byte 1\""},
      {"b32dec", {Text("OVZWK4Q")}, "\"illegal base32 data at input byte 0\""},
      {"b32dec", {Text("OVZWK4Q=A")}, "\"user\""},
  };
  CheckAll(rows);
}

TEST_CASE("functions_encoding: hexadecimal text is decoded") {
  const FunctionRow rows[] = {
      {"hexdec", {Text("75736572")}, "\"user\""},
      {"hexdec", {Text("7A")}, "\"z\""},
      {"hexdec", {Text("")}, "\"\""},
      {"hexdec", {Text("757")}, "\"encoding/hex: odd length hex string\""},
      {"hexdec", {Text("7g")}, "\"encoding/hex: invalid byte: U+0067 'g'\""},
      {"hexdec", {Text("7\n1")}, "\"encoding/hex: invalid byte: U+000A\""},
  };
  CheckAll(rows);
}

}  // namespace
}  // namespace nodekeep::go
