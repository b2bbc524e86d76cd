#pragma once

// AWS Signature Version 4, in headers (docs/protocol/cloud-tokens.md, "AWS Signature Version 4").
// Pure: the time is an argument.
//
// Signs all headers of the request, and the host; headers that a proxy may change must be added
// later. The path is signed as for all services except S3: encoded once more than it is sent, not
// normalized (dots and double slashes are kept).

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
// must be sent, or quoted, with exactly the signed body. The service refuses it if the clock is off
// by more than five minutes. Errors: kInvalid for an invalid URL.
Status SignV4(HttpRequest& request, const AwsCredentials& credentials, const SigV4Scope& scope,
              WallTime now);

// The input of the signature's hash; public because its text helps to diagnose a mismatch. Secret,
// because it contains the session token.
struct CanonicalRequest {
  SecretBytes text;
  std::string signed_headers;  // "host;x-amz-date"
};
Result<CanonicalRequest> CanonicalRequestOf(const HttpRequest& request);

}  // namespace nodekeep
