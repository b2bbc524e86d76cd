#pragma once

// An ItemReader at a scripted gateway, for the tests of this folder.

#include <string>
#include <vector>

#include "providers/akeyless/item.h"
#include "providers/akeyless/reading.h"
#include "providers/akeyless/test_account.h"

namespace nodekeep::akeyless {

inline constexpr const char* kMissing = R"({"error":"NotFound"})";

inline Question Ask(const std::string& path, const std::string& known = "",
                    const std::string& version = "", const ItemRequest& request = {}) {
  Question question;
  question.ref.provider = "akeyless";
  question.ref.path = path;
  question.ref.version = version;
  question.ref.request = request.Text();
  question.known_version = known;
  return question;
}

inline ItemRequest Of(ItemKind kind) {
  ItemRequest request;
  request.kind = kind;
  return request;
}

inline std::string Described(const std::string& name, const std::string& type, int version,
                             const std::string& more = "") {
  return R"({"item_name":")" + name + R"(","item_type":")" + type + R"(","last_version":)" +
         std::to_string(version) + more + "}";
}

struct ReadBench {
  std::vector<Result<Answer>> Read(const std::vector<Question>& questions,
                                   const Context& context = {}) {
    Credential credential;
    credential.token = SecretBytes(token);
    return reader.Read(context, options, credential, questions);
  }
  Result<Answer> ReadOne(const Question& question) {
    std::vector<Result<Answer>> answers = Read({question});
    return std::move(answers.front());
  }
  void Describe(const std::string& name, const std::string& type, int version,
                const std::string& more = "") {
    gateway.On("describe-item", 200, Described(name, type, version, more));
  }

  TestGateway gateway;
  Options options = TestOptions();
  std::string token = "t-1";
  GatewayClient api{gateway.http, gateway.clock, std::chrono::seconds(30)};
  ItemReader reader{api, gateway.clock};
};

inline std::string Text(const Result<Answer>& answer) {
  return answer.ok() ? std::string(answer->value.Reveal()) : "(" + CodeOf(answer) + ")";
}

}  // namespace nodekeep::akeyless
