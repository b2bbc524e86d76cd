#include <catch2/catch_test_macros.hpp>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/template/function.h"

namespace nodekeep::go {
namespace {

class Functions {
 public:
  Result<Value> operator()(std::string_view name, std::vector<Value> arguments) {
    const Function* const function = FindFunction(name);
    REQUIRE(function != nullptr);
    return function->call(call_, arguments);
  }

  std::string Text(std::string_view name, std::vector<Value> arguments) {
    const Result<Value> value = (*this)(name, std::move(arguments));
    return value.ok() ? std::string(value->text()) : "error: " + value.error().message();
  }

  // A field of a certificate object.
  Value Field(const Value& certificate, std::string_view name) {
    return *FindMethod(Type::kCertificate, name)->function.call(call_, {&certificate, 1});
  }

 private:
  SystemClock clock_;
  TemplateEnvironment environment_{clock_, &RandomBytes};
  TemplateLimits limits_;
  Call call_{environment_, limits_};
};

TEST_CASE("what pemToPkcs12Pass writes, pkcs12keyPass and pkcs12certPass read") {
  Functions run;
  const Value key = Value::Text(run.Text("genPrivateKey", {Value::Text("ecdsa")}));
  const Result<Value> made = run("genCAWithKey", {Value::Text("ca"), Value::Int(3), key});
  REQUIRE(made.ok());
  const Value cert = run.Field(*made, "Cert");
  for (const std::string password : {"", "secret", "p\xC3\xA4ss"}) {
    INFO(password);
    const Value pass = Value::Text(password);
    const std::string file = run.Text("pemToPkcs12Pass", {cert, key, pass});
    const Value bytes = Value::Text(*Base64Decode(file));
    CHECK(run.Text("pkcs12certPass", {pass, bytes}) == cert.text());
    CHECK(run.Text("pkcs12keyPass", {pass, bytes}).starts_with("-----BEGIN PRIVATE KEY-----\n"));
    CHECK(run.Text("pkcs12keyPass", {Value::Text("wrong"), bytes}) ==
          "error: unable to decode pkcs12 with password: pkcs12: decryption password incorrect");
  }
}

TEST_CASE("input that is no PEM or no PKCS#12 fails as upstream") {
  Functions run;
  const Value none = Value::Text("");
  CHECK(run.Text("pemToPkcs12", {none, none}) ==
        "error: runtime error: invalid memory address or nil pointer dereference");
  CHECK(run.Text("pkcs12key", {none}) ==
        "error: unable to decode pkcs12 with password: pkcs12: error reading P12 data: asn1: "
        "syntax error: sequence truncated");
  CHECK(run.Text("filterPEM", {Value::Text("CERTIFICATE"), Value::Text("x")}) ==
        "error: error filtering pem: found junk");
  CHECK(run.Text("filterCertChain", {Value::Text("leaf"), none}) ==
        "error: no leaf certificate found");
  CHECK(run.Text("rsaDecrypt", {Value::Text("None"), none, Value::Text("as it is"), none}) ==
        "as it is");
}

}  // namespace
}  // namespace nodekeep::go
