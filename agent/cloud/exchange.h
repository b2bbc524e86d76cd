#pragma once

// One call for a credential: what every source of this folder has in common.
//
// Errors name the step and carry the service's error code, never its message: those quote account,
// tenant and project ids, which have no business in a pod's events.

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "agent/base/context.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/cloud/cloud_token.h"
#include "agent/http/http_client.h"

namespace nodekeep {

// A POST of application/x-www-form-urlencoded; parameters with an empty value are left out.
HttpRequest FormPost(std::string url,
                     std::initializer_list<std::pair<std::string_view, std::string_view>> form);
HttpRequest JsonPost(std::string url, const Json& body);

// A GET of a link-local address: never through a proxy, and soon over.
HttpRequest MetadataGet(std::string url, Duration timeout);

// Sends it and returns the body of a 2xx answer. Else the error of `what` ("web identity: assume
// role"): 401 and 403 kDenied, 404 and 410 kNotFound, 429 kThrottled with Retry-After, 408, 425 and
// 5xx kTransient, the rest kInvalid; and those of HttpClient.
Result<SecretBytes> Exchange(const Context& context, HttpClient& http, HttpRequest request,
                             std::string_view what);
// The same for an answer that must be a JSON object.
Result<Json> ExchangeForJson(const Context& context, HttpClient& http, HttpRequest request,
                             std::string_view what);

// The same for an OAuth answer: the token under `member`, expires_in.
Result<CloudToken> ExchangeForToken(const Context& context, HttpClient& http, HttpRequest request,
                                    std::string_view what,
                                    std::string_view member = "access_token");

// The text of the first <tag> in an XML answer, "" if there is none. Enough for STS, whose values
// need no entities.
std::string_view XmlText(std::string_view xml, std::string_view tag);

}  // namespace nodekeep
