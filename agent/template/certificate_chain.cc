#include "agent/template/certificate_chain.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "agent/base/codecs.h"
#include "agent/template/pem_text.h"
#include "agent/template/private_key.h"

namespace nodekeep::go {
namespace {

using NamesPtr = OpenSslPtr<GENERAL_NAMES, &GENERAL_NAMES_free>;

constexpr unsigned char kSequence = 0x30;

std::string TextOf(const ASN1_STRING* text) {
  if (text == nullptr) return "";
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

// The words of Go for what fails first.
Error Malformed(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  long size = 0;
  int tag = 0;
  int tag_class = 0;
  const int form = ASN1_get_object(&at, &size, &tag, &tag_class, static_cast<long>(der.size()));
  const auto* const end = reinterpret_cast<const unsigned char*>(der.data()) + der.size();
  ERR_clear_error();
  const bool is_sequence =
      (form & 0x80) == 0 && !der.empty() && static_cast<unsigned char>(der[0]) == kSequence;
  if (is_sequence && at + size != end) return {ErrorCode::kInvalid, "x509: trailing data"};
  if (is_sequence && size > 0 && *at != kSequence) {
    return {ErrorCode::kInvalid, "x509: malformed tbs certificate"};
  }
  return {ErrorCode::kInvalid, "x509: malformed certificate"};
}

std::string Ip6Text(std::string_view address) {
  std::array<unsigned, 8> groups = {};
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i] = static_cast<unsigned char>(address[2 * i]) * 256u +
                static_cast<unsigned char>(address[2 * i + 1]);
  }
  // The longest run of at least two zeros becomes "::".
  std::size_t run_start = groups.size();
  std::size_t run_size = 1;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    std::size_t end = i;
    while (end < groups.size() && groups[end] == 0) ++end;
    if (end - i > run_size) {
      run_start = i;
      run_size = end - i;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i == run_start) {
      text += "::";
      i += run_size - 1;
      continue;
    }
    if (!text.empty() && !text.ends_with(':')) text += ':';
    text += fmt::format("{:x}", groups[i]);
  }
  return text;
}

void AppendNames(const GENERAL_NAMES* names, int type, std::vector<std::string>& out) {
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type != type) continue;
    const std::string text = TextOf(name->d.ia5);
    out.push_back(type == GEN_IPADD ? IpText(text) : text);
  }
}

std::string EscapedValue(std::string_view value) {
  std::string text;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    const bool is_outer_blank = c == ' ' && (i == 0 || i + 1 == value.size());
    const bool is_first_hash = c == '#' && i == 0;
    const bool is_special = std::string_view(",+\"\\<>;").find(c) != std::string_view::npos;
    if (is_outer_blank || is_first_hash || is_special) text += '\\';
    text += c;
  }
  return text;
}

struct SubjectPart {
  int nid;
  std::string_view name;
};
// In the order in which they are printed.
constexpr std::array<SubjectPart, 9> kSubjectParts = {{{NID_serialNumber, "SERIALNUMBER"},
                                                       {NID_commonName, "CN"},
                                                       {NID_postalCode, "POSTALCODE"},
                                                       {NID_streetAddress, "STREET"},
                                                       {NID_stateOrProvinceName, "ST"},
                                                       {NID_localityName, "L"},
                                                       {NID_organizationalUnitName, "OU"},
                                                       {NID_organizationName, "O"},
                                                       {NID_countryName, "C"}}};

bool IsSubjectPart(int nid) {
  return std::any_of(kSubjectParts.begin(), kSubjectParts.end(),
                     [nid](const SubjectPart& part) { return part.nid == nid; });
}

std::string Utf8Of(const ASN1_STRING* text) {
  unsigned char* bytes = nullptr;
  const int size = ASN1_STRING_to_UTF8(&bytes, text);
  if (size < 0) return TextOf(text);
  std::string utf8(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  OPENSSL_free(bytes);
  return utf8;
}

// "CN=a+CN=b"; only the last value of a common name or serial number counts.
std::string SubjectPartText(const X509_NAME* subject, const SubjectPart& part) {
  const bool is_single = part.nid == NID_commonName || part.nid == NID_serialNumber;
  std::string text;
  for (int at = X509_NAME_get_index_by_NID(subject, part.nid, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(subject, part.nid, at)) {
    const std::string value = Utf8Of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (is_single) text.clear();
    if (!text.empty()) text += '+';
    text += fmt::format("{}={}", part.name, EscapedValue(value));
  }
  return text;
}

// "1.2.3=#0c0161": the identifier, and the value as DER.
std::string OtherPartText(const X509_NAME_ENTRY* entry) {
  std::array<char, 128> identifier = {};
  OBJ_obj2txt(identifier.data(), identifier.size(), X509_NAME_ENTRY_get_object(entry), 1);
  const ASN1_STRING* const value = X509_NAME_ENTRY_get_data(entry);
  ASN1_TYPE wrapped = {};
  wrapped.type = ASN1_STRING_type(value);
  wrapped.value.asn1_string = const_cast<ASN1_STRING*>(value);
  const SecretBytes der = DerOf<const ASN1_TYPE>(&wrapped, &i2d_ASN1_TYPE);
  return fmt::format("{}=#{}", identifier.data(), HexEncode(der.Reveal()));
}

// For each certificate the index of its issuer; its own index if there is none.
std::vector<std::size_t> FindIssuers(std::span<const ChainCertificate> certificates) {
  // The first two with each subject key: a certificate is not its own issuer.
  std::unordered_map<std::string_view, std::vector<std::size_t>> by_subject_key;
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    std::vector<std::size_t>& places = by_subject_key[certificates[i].subject_key];
    if (places.size() < 2) places.push_back(i);
  }
  std::vector<std::size_t> issuers(certificates.size());
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    issuers[i] = i;
    const auto found = by_subject_key.find(certificates[i].authority_key);
    if (found == by_subject_key.end()) continue;
    for (const std::size_t place : found->second) {
      if (place == i) continue;
      issuers[i] = place;
      break;
    }
  }
  return issuers;
}

}  // namespace

Result<CertificatePtr> ParseCertificate(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = at + der.size();
  CertificatePtr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  if (!certificate || at != end) return Malformed(der);
  const EVP_PKEY* const key = X509_get0_pubkey(certificate.get());
  ERR_clear_error();
  if (key != nullptr && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && !IsKnownToGo(key)) {
    return Error(ErrorCode::kInvalid, "x509: unsupported elliptic curve");
  }
  return certificate;
}

Result<ChainCertificate> ChainCertificateOf(SecretBytes der) {
  const Result<CertificatePtr> certificate = ParseCertificate(der.Reveal());
  if (!certificate.ok()) return certificate.error();
  ChainCertificate entry;
  entry.authority_key = TextOf(X509_get0_authority_key_id(certificate->get()));
  entry.subject_key = TextOf(X509_get0_subject_key_id(certificate->get()));
  entry.der = std::move(der);
  ERR_clear_error();
  return entry;
}

Result<std::vector<ChainCertificate>> ReadCertificates(Call& call, std::string_view pem) {
  std::vector<ChainCertificate> certificates;
  while (std::optional<GoPemBlock> block = NextPemBlock(pem)) {
    if (Status step = call.Step(); !step.ok()) return step.error();
    if (Status charged = call.Charge(block->bytes.size()); !charged.ok()) return charged.error();
    Result<ChainCertificate> certificate = ChainCertificateOf(std::move(block->bytes));
    if (!certificate.ok()) return certificate.error();
    certificates.push_back(*std::move(certificate));
  }
  return certificates;
}

Result<std::vector<std::size_t>> OrderChain(Call& call,
                                            std::span<const ChainCertificate> certificates) {
  if (Status step = call.Step(certificates.size()); !step.ok()) return step.error();
  const std::vector<std::size_t> issuers = FindIssuers(certificates);
  std::vector<bool> is_issuer(certificates.size());
  for (std::size_t i = 0; i < issuers.size(); ++i) {
    if (issuers[i] != i) is_issuer[issuers[i]] = true;
  }
  const auto leaf = std::find(is_issuer.begin(), is_issuer.end(), false);
  if (leaf == is_issuer.end()) return Error(ErrorCode::kInvalid, "no leaf certificate found");
  if (std::find(leaf + 1, is_issuer.end(), false) != is_issuer.end()) {
    return Error(ErrorCode::kInvalid, "found multiple leaf or disjunct certificates");
  }
  std::vector<std::size_t> order = {static_cast<std::size_t>(leaf - is_issuer.begin())};
  while (issuers[order.back()] != order.back()) {
    if (order.size() == certificates.size()) {
      return Error(ErrorCode::kInvalid, "constructing chain resulted in cycle");
    }
    order.push_back(issuers[order.back()]);
  }
  return order;
}

std::string IpText(std::string_view address) {
  constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
  if (address.size() == 16 && address.starts_with(kMapped)) address.remove_prefix(kMapped.size());
  if (address.size() == 16) return Ip6Text(address);
  if (address.size() != 4) return "?" + HexEncode(address);
  const auto part = [&](std::size_t i) { return static_cast<unsigned char>(address[i]); };
  return fmt::format("{}.{}.{}.{}", part(0), part(1), part(2), part(3));
}

std::vector<std::string> AlternativeNames(const X509* certificate) {
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  std::vector<std::string> texts;
  for (const int type : {GEN_DNS, GEN_IPADD, GEN_EMAIL, GEN_URI}) {
    AppendNames(names.get(), type, texts);
  }
  return texts;
}

std::string SubjectText(const X509* certificate) {
  const X509_NAME* const subject = X509_get_subject_name(certificate);
  std::vector<std::string> parts;
  for (const SubjectPart& part : kSubjectParts) {
    std::string text = SubjectPartText(subject, part);
    if (!text.empty()) parts.push_back(std::move(text));
  }
  for (int i = X509_NAME_entry_count(subject) - 1; i >= 0; --i) {
    const X509_NAME_ENTRY* const entry = X509_NAME_get_entry(subject, i);
    if (IsSubjectPart(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)))) continue;
    parts.push_back(OtherPartText(entry));
  }
  ERR_clear_error();
  return fmt::format("{}", fmt::join(parts, ","));
}

}  // namespace nodekeep::go
