#pragma once

// Converts read replies to answers, and answers to file contents. Pure.

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/json.h"
#include "agent/base/result.h"
#include "agent/http/http_client.h"
#include "agent/secrets/provider.h"

namespace nodekeep::vault {

// The answer to `question` from a 2xx reply.
//
// The version of a KV v2 value is "kv2:<version>:<created_time>" (and a digest of custom_metadata
// when there is any); of everything else a keyed hash of `data`, because request_id changes with
// every read. For an equal version the answer is `unchanged`, so that a whole-response file keeps
// the request_id that it was first written with.
//
// A lease, or an expiry inside the data (PKI, GCP tokens), makes the answer a minted one. A static
// database role also states a ttl, but reading it mints nothing: it is refreshed like any value.
//
// Errors: kNotFound for an empty reply, kTransient for one that is not the API's JSON.
Result<Answer> ReadAnswer(const Question& question, HttpResponse response,
                          const SecretBytes& version_key, WallTime now);

// File contents: `projection.field` from data.data if that is an object, else from data, and
// `projection.property` from that (without a field, from all of the data); without either the whole
// response, as the upstream provider writes it.
Result<SecretBytes> RenderAnswer(const Projection& projection, const SecretBytes& answer);

// A lifetime of the API, in seconds. Limited to zero through ten years, so that adding it to a time
// cannot overflow.
Duration SecondsOf(const Json* value);

// The secret path of a ref as users write it: without "/v1/".
std::string_view ShownPath(std::string_view api_path);

}  // namespace nodekeep::vault
