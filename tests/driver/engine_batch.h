#pragma once

// Questions to the template engine and the query library, and what they need.

#include <string>

#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/query/secret_map.h"
#include "agent/template/call.h"

namespace nodekeep {

// The member `name` as text; "" if there is none.
std::string TextAt(const Json& question, const std::string& name);
// The member `name`, or `name`64 in base64.
Result<SecretBytes> BytesAt(const Json& question, const std::string& name);
// The members of `data`, and of `data64` in base64.
Result<SecretMap> DataAt(const Json& question);

// {"out64":{NAME:BASE64}}
Result<Json> Out(const Result<SecretMap>& values);
// {"value64":BASE64}
Result<Json> Value(const Result<SecretBytes>& value);

// The answer without "id" and "ok".
Result<Json> AnswerTo(const TemplateEnvironment& environment, const Json& question);

}  // namespace nodekeep
