// Answers questions to the template engine and the query library, so that they and the original
// libraries can be fed the same ones: one JSON object per line of standard input, one per line of
// standard output. Bytes are in base64. Every line is answered.
//
//   {"id":1,"op":"gjson","json":TEXT or "json64":BASE64,"path":TEXT}
//   {"id":1,"ok":true,"exists":true,"value64":BASE64,"raw64":BASE64} or
//   {"id":1,"ok":false,"error":TEXT}
//
// template {key, template, left, right, scope, target, decoding, data, data64, repeat} -> out64
// rewrite {rewrite, data, data64}, decodeMap and convertKeys and reverseKeys {strategy, data,
//   data64}, validateKeys {data, data64} -> out64
// jmespath {json | json64, path} -> kind, value64
// decode {strategy, value64}, byteValue {json, how: "float" | "number"} -> value64
// jsonToMap {json | json64} -> out64

#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/digest.h"
#include "tests/driver/engine_batch.h"

namespace nodekeep {
namespace {

// Whatever a library throws answers this line, and not the next ones.
Result<Json> Answered(const TemplateEnvironment& environment, const Json& question) {
  try {
    return AnswerTo(environment, question);
  } catch (const std::exception& failure) {
    return Error::Format(ErrorCode::kInternal, "exception: {}", failure.what());
  }
}

std::string AnswerLine(const TemplateEnvironment& environment, const std::string& line) {
  Json answer(jsoncons::json_object_arg);
  const Result<Json> question = ParseJson(line);
  Result<Json> said =
      question.ok() ? Answered(environment, *question) : Result<Json>(question.error());
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
  setenv("TZ", "UTC", 1);
  const nodekeep::SystemClock clock;
  const nodekeep::TemplateEnvironment environment{
      .clock = clock, .random = [](std::size_t size) { return nodekeep::RandomBytes(size); }};
  std::string line;
  while (std::getline(std::cin, line)) {
    std::cout << nodekeep::AnswerLine(environment, line) << std::endl;
  }
  return 0;
}
