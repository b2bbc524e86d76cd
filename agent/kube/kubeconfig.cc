#include "agent/kube/kubeconfig.h"

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "agent/base/codecs.h"
#include "agent/base/yaml.h"
#include "agent/base/read_file.h"

namespace nodekeep {
namespace {

// A field's text; "" if the mapping has no such field.
Result<std::string> Text(const YamlNode& mapping, std::string_view field) {
  const YamlNode* node = mapping.Find(field);
  if (node == nullptr) return std::string();
  Result<std::string> text = YamlText(*node);
  if (!text.ok()) return YamlError(*node, fmt::format("field {} must be a string", field));
  return text;
}

// The fields of one mapping. Keeps the first error, so that callers need not check each field.
class Fields {
 public:
  Fields(const YamlNode& mapping, std::filesystem::path directory)
      : mapping_(mapping), directory_(std::move(directory)) {}

  std::string Text(std::string_view field) {
    Result<std::string> text = nodekeep::Text(mapping_, field);
    if (text.ok()) return *std::move(text);
    Fail(text.error());
    return "";
  }

  std::string Path(std::string_view field) {
    const std::string path = Text(field);
    return path.empty() ? "" : (directory_ / path).lexically_normal().string();
  }

  bool Flag(std::string_view field) {
    const YamlNode* node = mapping_.Find(field);
    if (node == nullptr || node->IsNull()) return false;
    Result<bool> flag = YamlBool(*node);
    if (!flag.ok()) Fail(YamlError(*node, fmt::format("field {} must be true or false", field)));
    return flag.ok() && *flag;
  }

  // The decoded content of a "-data" field.
  SecretBytes Data(std::string_view field) {
    std::string text = Text(field);
    if (text.empty()) return {};
    Result<SecretBytes> data = Base64Decode(text);
    WipeString(text);
    if (data.ok()) return *std::move(data);
    Fail(Refusal(field, data.error().message()));
    return {};
  }

  void Refuse(std::string_view field, std::string_view way_out) {
    if (mapping_.Find(field) != nullptr) {
      Fail(Refusal(field, fmt::format("not supported: {}", way_out)));
    }
  }

  // The first error.
  const Status& status() const { return status_; }

 private:
  Error Refusal(std::string_view field, std::string_view reason) const {
    const YamlNode* node = mapping_.Find(field);
    return YamlError(node == nullptr ? mapping_ : *node,
                     fmt::format("field {}: {}", field, reason));
  }

  void Fail(const Error& error) {
    if (status_.ok()) status_ = error;
  }

  const YamlNode& mapping_;
  const std::filesystem::path directory_;
  Status status_;
};

// The mapping under `kind` ("cluster") in the element of `list` ("clusters") named `name`.
Result<const YamlNode*> Named(const YamlNode& root, std::string_view list, std::string_view kind,
                              const std::string& name) {
  const YamlNode* elements = root.Find(list);
  if (elements != nullptr && elements->IsSequence()) {
    for (const YamlNode& element : elements->items) {
      Result<std::string> its_name = Text(element, "name");
      if (!its_name.ok() || *its_name != name) continue;
      const YamlNode* content = element.Find(kind);
      if (content != nullptr && content->IsMapping()) return content;
      return YamlError(element, fmt::format("{} \"{}\" has no field {}", kind, name, kind));
    }
  }
  return Error::Format(ErrorCode::kInvalid, "{} has no entry named \"{}\"", list, name);
}

Status ReadCluster(Fields fields, KubeConnection& connection, TlsSettings& tls) {
  connection.server = fields.Text("server");
  while (connection.server.ends_with('/')) connection.server.pop_back();
  tls.ca_pem = std::string(fields.Data("certificate-authority-data").Reveal());
  if (tls.ca_pem.empty()) tls.ca_file = fields.Path("certificate-authority");
  tls.server_name = fields.Text("tls-server-name");
  tls.skip_verify = fields.Flag("insecure-skip-tls-verify");
  fields.Refuse("proxy-url", "set HTTPS_PROXY in the agent's environment");
  if (!fields.status().ok()) return fields.status();
  if (!connection.server.starts_with("https://") && !connection.server.starts_with("http://")) {
    return Error::Format(ErrorCode::kInvalid,
                         "field server: \"{}\" must begin with https:// or http://",
                         connection.server);
  }
  return {};
}

Status ReadUser(Fields fields, KubeConnection& connection, TlsSettings& tls) {
  tls.client_cert_pem = std::string(fields.Data("client-certificate-data").Reveal());
  if (tls.client_cert_pem.empty()) tls.client_cert_file = fields.Path("client-certificate");
  if (SecretBytes key = fields.Data("client-key-data"); !key.empty()) {
    tls.client_key_pem = std::make_shared<const SecretBytes>(std::move(key));
  } else {
    tls.client_key_file = fields.Path("client-key");
  }
  connection.token_file = fields.Path("tokenFile");
  connection.token = SecretBytes::MoveFrom(fields.Text("token"));
  constexpr std::string_view kUseOther = "use a token, a tokenFile or a client certificate";
  fields.Refuse("exec", kUseOther);
  fields.Refuse("auth-provider", kUseOther);
  fields.Refuse("username", kUseOther);
  for (std::string_view field : {"as", "as-uid", "as-groups", "as-user-extra"}) {
    fields.Refuse(field, "grant the user itself the permissions that the agent needs");
  }
  return fields.status();
}

Result<KubeConnection> ReadCurrentContext(const YamlNode& root,
                                          const std::filesystem::path& directory) {
  Result<std::string> current = Text(root, "current-context");
  if (!current.ok()) return current.error();
  if (current->empty()) {
    return Error(ErrorCode::kInvalid,
                 "current-context is not set: name the context that the agent is to use");
  }
  Result<const YamlNode*> context = Named(root, "contexts", "context", *current);
  if (!context.ok()) return context.error();
  Result<std::string> cluster_name = Text(**context, "cluster");
  if (!cluster_name.ok()) return cluster_name.error();
  Result<std::string> user_name = Text(**context, "user");
  if (!user_name.ok()) return user_name.error();

  KubeConnection connection;
  TlsSettings tls;
  Result<const YamlNode*> cluster = Named(root, "clusters", "cluster", *cluster_name);
  if (!cluster.ok()) return cluster.error();
  if (Status read = ReadCluster({**cluster, directory}, connection, tls); !read.ok()) {
    return read.error().Prepend("cluster \"{}\"", *cluster_name);
  }
  if (!user_name->empty()) {
    Result<const YamlNode*> user = Named(root, "users", "user", *user_name);
    if (!user.ok()) return user.error();
    if (Status read = ReadUser({**user, directory}, connection, tls); !read.ok()) {
      return read.error().Prepend("user \"{}\"", *user_name);
    }
  }
  const bool has_token = !connection.token.empty() || !connection.token_file.empty();
  if (has_token && connection.server.starts_with("http://")) {
    return Error::Format(ErrorCode::kInvalid,
                         "cluster \"{}\": a token is not sent over http://: use https://",
                         *cluster_name);
  }
  connection.tls = std::make_shared<const TlsSettings>(std::move(tls));
  return connection;
}

}  // namespace

Result<KubeConnection> ReadKubeconfig(const std::string& path) {
  const std::string source = fmt::format("kubeconfig {}", path);
  Result<SecretBytes> text = ReadSmallFile(path);
  if (!text.ok()) return text.error().Prepend("{}", source);
  Result<YamlNode> root = ParseYaml(text->Reveal());
  if (!root.ok()) return root.error().Prepend("{}", source);
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  Result<KubeConnection> connection = ReadCurrentContext(*root, directory);
  if (!connection.ok()) return connection.error().Prepend("{}", source);
  connection->source = source;
  return connection;
}

Result<KubeConnection> InClusterConnection(const Environment& environment,
                                           const std::string& folder) {
  const std::string host = environment("KUBERNETES_SERVICE_HOST");
  const std::string port = environment("KUBERNETES_SERVICE_PORT");
  if (host.empty() || port.empty()) {
    return Error(ErrorCode::kPrecondition,
                 "not running in a pod (KUBERNETES_SERVICE_HOST and _PORT are not set): give a "
                 "kubeconfig");
  }
  KubeConnection connection;
  const bool is_ipv6 = host.find(':') != std::string::npos;
  connection.server = fmt::format("https://{}:{}", is_ipv6 ? "[" + host + "]" : host, port);
  connection.token_file = folder + "/token";
  TlsSettings tls;
  tls.ca_file = folder + "/ca.crt";
  connection.tls = std::make_shared<const TlsSettings>(std::move(tls));
  connection.source = "the pod's service account";
  if (Result<SecretBytes> token = ReadSmallFile(connection.token_file); !token.ok()) {
    return token.error().Prepend(
        "the agent's own service account token (is automountServiceAccountToken off?)");
  }
  return connection;
}

}  // namespace nodekeep
