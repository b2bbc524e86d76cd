#pragma once

// A request for a credential, shared by all sources in this folder.
//
// Errors name the step and contain the service's error code, never its message: messages quote
// account, tenant and project ids, which must not appear in a pod's events.

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

// A GET of a link-local address: never through a proxy, with a short timeout.
HttpRequest MetadataGet(std::string url, Duration timeout);

// Sends the request and returns the body of a 2xx response. Errors start with `what` ("web
// identity: assume role"): 401 and 403 are kDenied, 404 and 410 kNotFound, 429 kThrottled with
// Retry-After, 408, 425 and 5xx kTransient, the rest kInvalid; plus those of HttpClient. Known
// error codes of the services override the status.
Result<SecretBytes> Exchange(const Context& context, HttpClient& http, HttpRequest request,
                             std::string_view what);
// The same for a response that must be a JSON object.
Result<Json> ExchangeForJson(const Context& context, HttpClient& http, HttpRequest request,
                             std::string_view what);

// The same for an OAuth response: the token under `member`, and expires_in.
Result<CloudToken> ExchangeForToken(const Context& context, HttpClient& http, HttpRequest request,
                                    std::string_view what,
                                    std::string_view member = "access_token");

// The text of the first <tag> in an XML response, "" if there is none. Does not decode entities:
// the values of STS need none.
std::string_view XmlText(std::string_view xml, std::string_view tag);

}  // namespace nodekeep
