// Answers questions to the query library, so that it and the original libraries can be fed the same
// ones: one JSON object per line of standard input, one per line of standard output. Bytes are in
// base64. Every line is answered.
//
//   {"id":1,"op":"gjson","json":TEXT or "json64":BASE64,"path":TEXT}
//   {"id":1,"ok":true,"exists":true,"value64":BASE64,"raw64":BASE64} or
//   {"id":1,"ok":false,"error":TEXT}

#include <iostream>
#include <string>

#include "agent/base/codecs.h"
#include "agent/base/json.h"
#include "agent/query/gjson.h"

namespace nodekeep {
namespace {

// The member `name`, or `name`64 in base64.
Result<SecretBytes> Bytes(const Json& question, const std::string& name) {
  if (const auto encoded = TextOf(Find(question, {name + "64"}))) return Base64Decode(*encoded);
  return SecretBytes(TextOf(Find(question, {name})).value_or(""));
}

Result<Json> Gjson(const Json& question) {
  Result<SecretBytes> json = Bytes(question, "json");
  if (!json.ok()) return json.error();
  Result<GjsonResult> result =
      GjsonGet(json->Reveal(), TextOf(Find(question, {"path"})).value_or(""));
  if (!result.ok()) return result.error();
  Json answer(jsoncons::json_object_arg);
  answer["exists"] = result->exists;
  answer["value64"] = Base64Encode(result->value.Reveal());
  answer["raw64"] = Base64Encode(result->raw.Reveal());
  return answer;
}

Result<Json> AnswerTo(const Json& question) {
  const std::string op(TextOf(Find(question, {"op"})).value_or(""));
  if (op == "gjson") return Gjson(question);
  return Error::Format(ErrorCode::kInvalid, "unknown op \"{}\": gjson", op);
}

std::string AnswerLine(const std::string& line) {
  Json answer(jsoncons::json_object_arg);
  const Result<Json> question = ParseJson(line);
  Result<Json> said = question.ok() ? AnswerTo(*question) : Result<Json>(question.error());
  if (said.ok()) {
    answer = *std::move(said);
  } else {
    answer["error"] = said.error().message();
  }
  answer["ok"] = said.ok();
  if (question.ok() && Find(*question, {"id"}) != nullptr) answer["id"] = *Find(*question, {"id"});
  return std::string(GoJson(answer).Reveal());
}

}  // namespace
}  // namespace nodekeep

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << nodekeep::AnswerLine(line) << std::endl;
  }
  return 0;
}
