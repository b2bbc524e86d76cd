#pragma once

// AWS Signature Version 4, in headers (docs/protocol/cloud-tokens.md, "AWS Signature Version 4").
// Pure: the caller gives the time.
//
// Every header that stands in the request is signed, and the host; what a proxy may change must not
// be there yet. The path is signed as a path of any service but S3: encoded once more than it is
// sent, dots and double slashes as they are.

#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/secret_bytes.h"
#include "agent/cloud/aws_credentials.h"
#include "agent/http/http_client.h"

namespace nodekeep {

struct SigV4Scope {
  std::string region;   // "us-east-1"
  std::string service;  // "sts", "secretsmanager", "ssm"
};

// Adds X-Amz-Date, X-Amz-Security-Token if there is a session token, and Authorization. The request
// must be sent, or quoted, with the very body that was signed. A clock that is off by more than
// five minutes makes the service refuse it. Errors: kInvalid, the URL is none.
Status SignV4(HttpRequest& request, const AwsCredentials& credentials, const SigV4Scope& scope,
              WallTime now);

// What is hashed into the signature; public because its text tells what a mismatch is about.
// Secret, because a session token is part of it.
struct CanonicalRequest {
  SecretBytes text;
  std::string signed_headers;  // "host;x-amz-date"
};
Result<CanonicalRequest> CanonicalRequestOf(const HttpRequest& request);

}  // namespace nodekeep
