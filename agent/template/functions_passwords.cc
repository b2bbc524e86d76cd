#include <crypt.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "agent/base/codecs.h"
#include "agent/base/digest.h"
#include "agent/base/pem.h"
#include "agent/template/conversions.h"
#include "agent/template/function.h"

namespace nodekeep::go {
namespace {

using Arguments = std::span<const Value>;
using CipherPtr = OpenSslPtr<EVP_CIPHER_CTX, &EVP_CIPHER_CTX_free>;

const unsigned char* BytesOf(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* BytesOf(SecretBytes& bytes) {
  return reinterpret_cast<unsigned char*>(bytes.MutableData());
}

// The hash, or the text that upstream has in its place.
Result<std::string> BcryptText(Call& call, std::string_view password) {
  constexpr std::size_t kMaxPassword = 72;
  constexpr int kCost = 10;
  constexpr int kSaltSize = 16;
  if (password.size() > kMaxPassword) {
    return std::string(
        "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes");
  }
  if (password.find('\0') != password.npos) {
    return Error(ErrorCode::kInvalid, "bcrypt: a password with a NUL byte cannot be hashed");
  }
  if (Status step = call.SlowStep(); !step.ok()) return step.error();
  const SecretBytes random = call.Random(kSaltSize);
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting = {};
  SecretBytes terminated(password);
  terminated.Append(std::string_view("\0", 1));
  const auto state = std::make_unique<crypt_data>();
  // With 2a this library changes the hashes of some passwords; 2b is what Go computes as 2a.
  const char* hash = crypt_gensalt_rn("$2b$", kCost, random.Reveal().data(), kSaltSize,
                                      setting.data(), static_cast<int>(setting.size()));
  if (hash != nullptr) hash = crypt_r(terminated.Reveal().data(), setting.data(), state.get());
  if (hash == nullptr || hash[0] != '$') {
    return Error(ErrorCode::kInternal, "bcrypt: the library cannot hash");
  }
  std::string result = hash;
  result[2] = 'a';
  return result;
}

Result<Value> Bcrypt(Call& call, Arguments in) {
  const Result<std::string> hash = BcryptText(call, in[0].text());
  if (!hash.ok()) return hash.error();
  return Value::Text(*hash);
}

SecretBytes Sha1(std::string_view text) {
  SecretBytes digest = SecretBytes::OfSize(static_cast<std::size_t>(EVP_MD_get_size(EVP_sha1())));
  EVP_Digest(text.data(), text.size(), BytesOf(digest), nullptr, EVP_sha1(), nullptr);
  return digest;
}

Result<Value> Htpasswd(Call& call, Arguments in) {
  const std::string_view user = in[0].text();
  const std::string_view password = in[1].text();
  if (user.find(':') != user.npos) return Value::Text(fmt::format("invalid username: {}", user));
  if (in[2].text() == "sha") {
    return Value::Text(fmt::format("{}:{{SHA}}{}", user, Base64Encode(Sha1(password).Reveal())));
  }
  const Result<std::string> hash = BcryptText(call, password);
  if (!hash.ok()) return hash.error();
  return Value::Text(fmt::format("{}:{}", user, *hash));
}

// The Master Password algorithm, version 3 for ASCII names.

struct PasswordType {
  std::string_view name;
  std::vector<std::string_view> templates;
};

const std::vector<std::string_view>* TemplatesOf(std::string_view type) {
  static const std::array<PasswordType, 6> types = {{
      {"maximum", {"anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"}},
      {"long",
       {"CvcvnoCvcvCvcv", "CvcvCvcvnoCvcv", "CvcvCvcvCvcvno", "CvccnoCvcvCvcv", "CvccCvcvnoCvcv",
        "CvccCvcvCvcvno", "CvcvnoCvccCvcv", "CvcvCvccnoCvcv", "CvcvCvccCvcvno", "CvcvnoCvcvCvcc",
        "CvcvCvcvnoCvcc", "CvcvCvcvCvccno", "CvccnoCvccCvcv", "CvccCvccnoCvcv", "CvccCvccCvcvno",
        "CvcvnoCvccCvcc", "CvcvCvccnoCvcc", "CvcvCvccCvccno", "CvccnoCvcvCvcc", "CvccCvcvnoCvcc",
        "CvccCvcvCvccno"}},
      {"medium", {"CvcnoCvc", "CvcCvcno"}},
      {"short", {"Cvcn"}},
      {"basic", {"aaanaaan", "aannaaan", "aaannaaa"}},
      {"pin", {"nnnn"}},
  }};
  for (const PasswordType& known : types) {
    if (known.name == type) return &known.templates;
  }
  return nullptr;
}

std::string_view CharactersOf(char place) {
  switch (place) {
    case 'V': return "AEIOU";
    case 'C': return "BCDFGHJKLMNPQRSTVWXYZ";
    case 'v': return "aeiou";
    case 'c': return "bcdfghjklmnpqrstvwxyz";
    case 'a': return "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";
    case 'n': return "0123456789";
    case 'o': return "@&%?,=[]_:-+*$#!'^~;()/.";
    default: return "AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()";
  }
}

std::string BigEndian(std::uint64_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
  return bytes;
}

constexpr std::string_view kScope = "com.lyndir.masterpassword";

Result<SecretBytes> MasterKey(std::string_view password, std::string_view user) {
  constexpr std::uint64_t kN = 32768;
  constexpr std::uint64_t kR = 8;
  constexpr std::uint64_t kP = 2;
  constexpr std::uint64_t kMemory = 64u << 20;
  const std::string salt = std::string(kScope) + BigEndian(user.size()) + std::string(user);
  SecretBytes key = SecretBytes::OfSize(64);
  const bool done = EVP_PBE_scrypt(password.data() == nullptr ? "" : password.data(),
                                   password.size(), BytesOf(salt), salt.size(), kN, kR, kP, kMemory,
                                   BytesOf(key), key.size()) == 1;
  ERR_clear_error();
  if (!done) return Error(ErrorCode::kInternal, "scrypt: the library cannot derive a key");
  return key;
}

Result<Value> DerivePassword(Call& call, Arguments in) {
  const std::string_view type = in[1].text();
  const std::string_view site = in[4].text();
  const std::vector<std::string_view>* const templates = TemplatesOf(type);
  if (templates == nullptr) {
    return Value::Text(fmt::format("cannot find password template {}", type));
  }
  if (Status step = call.SlowStep(); !step.ok()) return step.error();
  const Result<SecretBytes> key = MasterKey(in[2].text(), in[3].text());
  if (!key.ok()) return key.error();
  const SecretBytes seed =
      HmacSha256(*key, {kScope, BigEndian(site.size()), site, BigEndian(in[0].unsigned_integer())});
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(seed.Reveal()[i]); };
  const std::string_view places = (*templates)[byte(0) % templates->size()];
  SecretBytes password;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::string_view characters = CharactersOf(places[i]);
    password.Append(characters.substr(byte(i + 1) % characters.size(), 1));
  }
  return Value::Text(std::move(password));
}

// AES-256-CBC without padding of the library's own. `text`: whole blocks.
Result<SecretBytes> Cbc(bool encrypt, std::string_view password, std::string_view iv,
                        std::string_view text) {
  constexpr std::size_t kKeySize = 32;
  SecretBytes key(password.substr(0, kKeySize));
  key.Append(SecretBytes::OfSize(kKeySize - key.size()).Reveal());
  SecretBytes out = SecretBytes::OfSize(text.size());
  const CipherPtr cipher(EVP_CIPHER_CTX_new());
  int size = 0;
  const bool done =
      EVP_CipherInit_ex(cipher.get(), EVP_aes_256_cbc(), nullptr, BytesOf(key.Reveal()),
                        BytesOf(iv), encrypt ? 1 : 0) == 1 &&
      EVP_CIPHER_CTX_set_padding(cipher.get(), 0) == 1 &&
      (text.empty() || EVP_CipherUpdate(cipher.get(), BytesOf(out), &size, BytesOf(text),
                                        static_cast<int>(text.size())) == 1);
  ERR_clear_error();
  if (!done) return Error(ErrorCode::kInternal, "the library cannot use AES");
  return out;
}

constexpr std::size_t kBlock = 16;

Result<Value> EncryptAes(Call& call, Arguments in) {
  const std::string_view plain = in[1].text();
  if (plain.empty()) return Value::Text("");
  if (Status charged = call.Charge(4 * plain.size()); !charged.ok()) return charged.error();
  SecretBytes padded(plain);
  const std::size_t padding = kBlock - plain.size() % kBlock;
  padded.Append(std::string(padding, static_cast<char>(padding)));
  SecretBytes out = call.Random(kBlock);
  const Result<SecretBytes> cipher = Cbc(true, in[0].text(), out.Reveal(), padded.Reveal());
  if (!cipher.ok()) return cipher.error();
  out.Append(cipher->Reveal());
  return Base64Text(out);
}

Result<Value> DecryptAes(Call& call, Arguments in) {
  const std::string_view text = in[1].text();
  if (text.empty()) return Value::Text("");
  if (Status charged = call.Charge(2 * text.size()); !charged.ok()) return charged.error();
  const Result<SecretBytes> bytes = Base64Decode(text);
  if (!bytes.ok()) {
    return Error::Format(ErrorCode::kInvalid, "illegal base64 data at input byte {}",
                         Base64Fault(text));
  }
  const std::string_view crypt = bytes->Reveal();
  if (crypt.size() < kBlock) {
    return Error::Format(ErrorCode::kInvalid,
                         "runtime error: slice bounds out of range [:16] with capacity {}",
                         text.size() / 4 * 3);
  }
  if (crypt.size() % kBlock != 0) {
    return Error(ErrorCode::kInvalid, "crypto/cipher: input not full blocks");
  }
  if (crypt.size() == kBlock) {
    return Error(ErrorCode::kInvalid, "runtime error: index out of range [-1]");
  }
  Result<SecretBytes> plain =
      Cbc(false, in[0].text(), crypt.substr(0, kBlock), crypt.substr(kBlock));
  if (!plain.ok()) return plain.error();
  const auto padding = static_cast<std::size_t>(static_cast<unsigned char>(plain->Reveal().back()));
  if (padding > plain->size()) {
    return Error::Format(ErrorCode::kInvalid, "runtime error: slice bounds out of range [:-{}]",
                         padding - plain->size());
  }
  plain->Truncate(plain->size() - padding);
  return Value::Text(*std::move(plain));
}

Result<Value> RandBytes(Call& call, Arguments in) {
  const std::int64_t count = in[0].integer();
  if (count < 0) return Error(ErrorCode::kInvalid, "runtime error: makeslice: len out of range");
  const auto size = static_cast<std::size_t>(count);
  if (size > call.limits().memory) return call.Charge(size).error();
  if (Status charged = call.Charge(3 * size); !charged.ok()) return charged.error();
  return Base64Text(call.Random(size));
}

}  // namespace

std::span<const Function> PasswordFunctions() {
  static const Function functions[] = {
      {"bcrypt", "password string", &Bcrypt,
       "The bcrypt hash of a password of at most 72 bytes, cost 10. Differs with each call."},
      {"htpasswd", "user string, password string, algorithm sprig.HashAlgorithm", &Htpasswd,
       "A line for an htpasswd file. The algorithm must be a constant; anything but \"sha\" means "
       "bcrypt, whose result differs with each call.",
       R"({{ htpasswd "alice" "secret" "sha" }})"},
      {"derivePassword", "counter uint32, type string, password string, user string, site string",
       &DerivePassword,
       "A password derived with the Master Password algorithm. Types: maximum, long, medium, "
       "short, basic, pin.",
       R"({{ derivePassword 1 "long" "password" "user" "example.com" }})"},
      {"encryptAES", "password string, text string", &EncryptAes,
       "The text encrypted with AES-256-CBC, in base64. Differs with each call."},
      {"decryptAES", "password string, text string", &DecryptAes, "What encryptAES encrypted.",
       R"({{ encryptAES "password" "text" | decryptAES "password" }})"},
      {"randBytes", "count int", &RandBytes,
       "That many random bytes, in base64. Differs with each call."},
  };
  return functions;
}

}  // namespace nodekeep::go
