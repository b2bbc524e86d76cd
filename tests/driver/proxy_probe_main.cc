// Says which proxy a request goes through, for tests/integration/test_proxy.py: one line for each
// line of the input, both in the form of tests/tools/proxy-oracle.

#include <iostream>
#include <string>

#include "agent/base/json.h"
#include "agent/http/origin.h"
#include "agent/http/proxy_rules.h"

namespace nodekeep {
namespace {

std::string Answer(const Json& question) {
  const Environment environment = [&](const std::string& name) {
    return TextOf(Find(question, {"env", name})).value_or("");
  };
  HttpRequest request;
  request.url = TextOf(Find(question, {"url"})).value_or("");
  const Result<Origin> origin = ParseOrigin(request);
  if (!origin.ok()) return "error";
  const auto proxy = ProxyRules(environment).For(*origin);
  if (!proxy.ok()) return "error";
  return *proxy ? (*proxy)->url : "direct";
}

}  // namespace
}  // namespace nodekeep

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const nodekeep::Result<nodekeep::Json> question = nodekeep::ParseJson(line);
    if (!question.ok()) {
      std::cerr << question.error().message() << "\n";
      return 1;
    }
    std::cout << nodekeep::Answer(*question) << "\n";
  }
  return 0;
}
