#include "agent/app/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "agent/app/completion.h"
#include "agent/app/config_print.h"
#include "agent/app/test_command_line.h"
#include "agent/base/json.h"
#include "tests/source_dir.h"

namespace nodekeep {
namespace {

std::string ReadText(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// "akeyless, dev, vault": as messages list the providers of this build.
std::string ProviderNames() {
  std::vector<std::string_view> names;
  for (const ProviderEntry& entry : ProviderRegistry()) names.push_back(entry.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

constexpr char kStore[] = "secrets:\n  app/db:\n    values: {password: the-password}\n";

TEST_CASE("cli: the exit code distinguishes success, failure and wrong usage") {
  struct Row {
    std::string name;
    std::vector<std::string> arguments;
    int code;
    std::string err;
  };
  const Row rows[] = {
      {"no command", {}, kExitUsage, "nodekeep: A subcommand is required"},
      {"unknown command",
       {"rnu"},
       kExitUsage,
       "nodekeep: unknown command \"rnu\": did you mean run?\nrun `nodekeep --help`"},
      {"unknown command with flags",
       {"validat", "-f", "x"},
       kExitUsage,
       "unknown command \"validat\": did you mean validate?"},
      {"command like no other",
       {"mount"},
       kExitUsage,
       "unknown command \"mount\": they are run, validate, get, template, "},
      {"unknown command below a command",
       {"cache", "lst"},
       kExitUsage,
       "unknown command \"lst\": did you mean list?\nrun `nodekeep cache --help`"},
      {"unknown flag",
       {"status", "--verbose"},
       kExitUsage,
       "unknown option \"--verbose\": they are --help, "},
      {"misspelt flag",
       {"run", "--confg=x"},
       kExitUsage,
       "unknown option \"--confg\": did you mean --config?\nrun `nodekeep run --help`"},
      {"misspelt required flag",
       {"validate", "--filname", "x"},
       kExitUsage,
       "unknown option \"--filname\": did you mean --filename?"},
      {"misspelt flag of a group",
       {"get", "-f", "x", "--explan"},
       kExitUsage,
       "unknown option \"--explan\": did you mean --explain?"},
      {"argument of a command that has none",
       {"version", "x"},
       kExitUsage,
       "unexpected argument \"x\"\n"},
      {"flag without value", {"run", "--config"}, kExitUsage, "--config"},
      {"unknown format", {"version", "-o", "xml"}, kExitUsage, "xml"},
      {"required flag missing", {"validate"}, kExitUsage, "--filename"},
      {"two things at once", {"refresh", "--all", "--pod", "a/b"}, kExitUsage, "refresh --help"},
      {"nothing to refresh", {"refresh"}, kExitUsage, "refresh --help"},
      {"no action", {"get", "-f", "x"}, kExitUsage, "get --help"},
      {"unknown shell", {"completion", "tcsh"}, kExitUsage, "tcsh"},
      {"no agent",
       {"status", "--admin-socket", "/no/such.sock"},
       kExitFailed,
       "nodekeep: admin socket /no/such.sock: not there"},
      {"not healthy",
       {"healthcheck", "--admin-socket", "/no/such.sock"},
       kExitFailed,
       "is the agent running"},
      {"bad time", {"status", "--timeout", "soon"}, kExitFailed, "--timeout: invalid duration"},
      {"no file", {"get", "-f", "/no/such.yaml", "--explain"}, kExitFailed, "/no/such.yaml"},
      {"bad configuration",
       {"run", "--log-level", "loud"},
       kExitFailed,
       "flag --log-level: log.level: \"loud\" is not a valid log level"},
      {"version", {"version"}, kExitOk, ""},
      {"help", {"--help"}, kExitOk, ""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CommandBed bed;
    CHECK(bed.Run(row.arguments) == row.code);
    INFO(bed.err);
    CHECK(bed.ErrHas(row.err));
    CHECK(bed.out.empty() == (row.code != kExitOk));
  }
}

// Visits every command of the tree with its full name, except option groups.
void ForEachCommand(const CLI::App& app, const std::vector<std::string>& path,
                    const std::function<void(const CLI::App&, std::vector<std::string>)>& visit) {
  visit(app, path);
  for (const CLI::App* child : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (child->get_name().empty()) continue;
    std::vector<std::string> below = path;
    below.push_back(child->get_name());
    ForEachCommand(*child, below, visit);
  }
}

struct Tree {
  CommandBed bed;
  std::ostringstream out;
  std::istringstream in;
  CommandIo io{.out = out,
               .err = out,
               .in = in,
               .sources = [](std::string) { return ConfigSources(); },
               .providers = ProviderRegistry()};
  ChosenCommand chosen{io, nullptr};
  std::unique_ptr<CLI::App> root = MakeCommandTree(chosen);
};

TEST_CASE("cli: the help of every command has examples of it") {
  Tree tree;
  ForEachCommand(*tree.root, {}, [](const CLI::App&, std::vector<std::string> path) {
    std::string name = "nodekeep";
    for (const std::string& word : path) name += " " + word;
    INFO(name);
    CommandBed bed;
    path.push_back("--help");
    CHECK(bed.Run(path) == kExitOk);
    CHECK(bed.OutHas("Usage: " + name));
    const std::size_t examples = bed.out.find("Examples:\n");
    REQUIRE(examples != std::string::npos);
    CHECK(bed.out.find(name, examples) != std::string::npos);
  });
}

TEST_CASE("cli: run has exactly the documented flags") {
  CommandBed bed;
  REQUIRE(bed.Run({"run", "--help"}) == kExitOk);
  std::set<std::string> flags;
  const std::string options = bed.out.substr(0, bed.out.find("Examples:"));
  for (std::size_t at = 0; (at = options.find("--", at)) != std::string::npos;) {
    const std::size_t end = options.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", at);
    flags.insert(options.substr(at, end - at));
    at = end;
  }
  CHECK(flags == std::set<std::string>{"--help", "--config", "--providers", "--provider-dir",
                                       "--admin-socket", "--http", "--node-name", "--kubeconfig",
                                       "--log-level", "--driver", "--driver-name",
                                       "--kubelet-root"});
}

TEST_CASE("cli: config print applies flags, environment and file in order of precedence") {
  CommandBed bed;
  const std::string file = bed.Write("nodekeep.yaml", "log: {level: debug}\nnodeName: from-file\n");
  bed.environment = {{"NODEKEEP_NODE_NAME", "from-environment"},
                     {"VAULT_ADDR", "https://vault:8200"}};
  REQUIRE(bed.Run({"config", "print", "--config", file, "--log-level", "warn", "--provider-dir",
                   "/a", "--provider-dir", "/b"}) == kExitOk);
  CHECK(bed.OutHas("level: warn "));
  CHECK(bed.OutHas("nodeName: from-environment "));
  CHECK(bed.OutHas("providerDirs: [/a, /b] "));
  CHECK(bed.OutHas("# environment VAULT_ADDR"));
  REQUIRE(bed.Run({"config", "print", "--config", file, "-o", "json"}) == kExitOk);
  const Result<Json> json = ParseJson(bed.out);
  REQUIRE(json.ok());
  CHECK((*json)["log.level"]["source"].as_string() == file + ":1");
}

TEST_CASE("validate: valid files are counted without findings") {
  CommandBed bed;
  const std::string config = bed.Write("nodekeep.yaml", "providers:\n  dev:\n    path: /x\n");
  const std::string classes =
      bed.Write("class.yaml", std::string(kDevClass) + "---\napiVersion: v1\nkind: Pod\n");
  CHECK(bed.Run({"validate", "-f", config, classes}) == kExitOk);
  CHECK(bed.out == "ok: 1 SecretProviderClass, 1 configuration, 1 other object skipped\n");
  CHECK(bed.Run({"validate", "-f", "-"}, kDevClass) == kExitOk);
}

TEST_CASE("validate: reads pipes, as `-f <(command)` names them; a directory is a finding") {
  CommandBed bed;
  const std::string pipe = bed.directory + "/pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  {
    std::jthread writer([&] { std::ofstream(pipe) << kDevClass; });
    CHECK(bed.Run({"validate", "-f", pipe}) == kExitOk);
  }
  CHECK(bed.Run({"validate", "-f", bed.directory}) == kExitFailed);
  CHECK(bed.OutHas("read " + bed.directory + ": Is a directory"));
}

TEST_CASE("validate: every finding of every file has file, line, field and fix") {
  CommandBed bed;
  const std::string config = bed.Write("nodekeep.yaml", "log:\n  levle: info\nmountBudget: soon\n");
  const std::string types =
      bed.Write("types.yaml",
                std::string(kDevClass) + "    flag: true\n---\n" + kDevClass + "    count: 1\n");
  const std::string unknown =
      bed.Write("unknown.yaml", Replaced(kDevClass, "provider: dev", "provider: devv"));
  const std::string broken = bed.Write("broken.yaml", "a: [\n");
  const std::string dialect =
      bed.Write("dialect.yaml", Replaced(kDevClass, "secretKey", "secretKye"));
  CHECK(bed.Run({"validate", "-f", config, types, "-f", unknown, "-f", broken, dialect,
                 "/no/such.yaml"}) == kExitFailed);
  for (const std::string& text :
       {config + ":2:3: log.levle: unknown setting; did you mean level?\n",
        config + ":3:14: mountBudget: \"soon\" is not a valid duration above zero; write it like",
        types + ":12:11: SecretProviderClass app: spec.parameters.flag: must be a string, found a "
                "boolean; quote it: \"true\"",
        types + ":25:12: SecretProviderClass app: spec.parameters.count: must be a string, found a "
                "number; quote it: \"1\"",
        unknown +
            ":6: SecretProviderClass app: spec.provider: this build has no provider \"devv\"; it "
            "has " +
            ProviderNames(),
        broken + ":1:5: ", dialect + ":11: SecretProviderClass app: spec.parameters.objects: ",
        std::string("/no/such.yaml: read /no/such.yaml: No such file or directory\n"),
        std::string("8 findings, 1 warning: ")}) {
    INFO(text << "\n--- in ---\n" << bed.out);
    CHECK(bed.OutHas(text));
  }
  CHECK(bed.Run({"validate", "-o", "json", "-f", types}) == kExitFailed);
  const Result<Json> json = ParseJson(bed.out);
  REQUIRE(json.ok());
  REQUIRE((*json)["findings"].size() == 2);
  CHECK((*json)["findings"][0]["line"].as<int>() == 12);
  CHECK((*json)["findings"][0]["field"].as_string() == "spec.parameters.flag");
  CHECK((*json)["findings"][0]["object"].as_string() == "SecretProviderClass app");
}

TEST_CASE("validate: settings that classes need for credentials of the node are listed once") {
  static constexpr char kClass[] = R"(apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {{name: {}, namespace: shop}}
spec:
  provider: {}
  parameters: {}
)";
  static constexpr char kAkeyless[] =
      R"({{akeylessGatewayURL: "{}", akeylessAccessType: {}, objects: "- {{fileName: a, secretPath: /a}}"}})";
  std::string text;
  const auto add = [&](std::string_view name, std::string_view provider, std::string parameters) {
    text += "---\n" + fmt::format(kClass, name, provider, std::move(parameters));
  };
  add("one", "akeyless", fmt::format(kAkeyless, "https://b/'c", "aws_iam"));
  add("no element of a list", "akeyless", fmt::format(kAkeyless, "https://a,https://evil", "gcp"));
  add("two", "akeyless", fmt::format(kAkeyless, "https://a/", "aws_iam"));
  add("three", "akeyless", fmt::format(kAkeyless, "https://a", "access_key"));
  add("four", "akeyless", fmt::format(kAkeyless, "https://own", "k8s"));
  add("five", "akeyless", fmt::format(kAkeyless, "https://listed", "gcp"));
  add("six", "vault", R"({nodekeep/auth: token, objects: "- {objectName: a, secretPath: kv/x}"})");
  add("seven", "dev", R"({objects: "- {objectName: a, secretPath: x}"})");
  CommandBed bed;
  const std::string config = bed.Write("nodekeep.yaml",
                                       "providers:\n"
                                       "  akeyless:\n"
                                       "    gatewayUrl: https://own\n"
                                       "    nodeIdentityGateways: https://listed\n"
                                       "  vault:\n"
                                       "    tokenFile: /t\n");
  const std::string classes = bed.Write("classes.yaml", text);
  // They are not findings.
  CHECK(bed.Run({"validate", "-f", config, classes}) == kExitOk);
  CHECK(
      bed.out ==
      "warning: " + classes +
          ":14: SecretProviderClass shop/no element of a list: "
          "spec.parameters.akeylessGatewayURL: parameter akeylessGatewayURL: "
          "\"https://a,https://evil\" cannot be called: URL \"https://a,https://evil\" is not "
          "valid: Bad hostname\n"
          "ok, 1 warning: 8 SecretProviderClasses, 1 configuration\n"
          "Some classes log in with a credential of the node, which is sent only where the agent's "
          "configuration allows.\n"
          "Review each line before you copy it: the author of a class can name any server. Needed "
          "settings:\n"
          "  providers.akeyless.nodeIdentityGateways: \"https://listed,https://b/'c,https://a\"\n"
          "    https://a: shop/two\n"
          "    https://a: shop/three (unless nodePublishSecretRef has a credential)\n"
          "    https://b/'c: shop/one\n"
          "    helm: --set-string 'config.providers.akeyless.nodeIdentityGateways="
          "https://listed\\,https://b/'\\''c\\,https://a'\n"
          "  providers.akeyless.serviceAccountTokenFile\n"
          "    shop/four\n"
          "  providers.vault.nodeCredentialPaths: \"kv/x\"\n"
          "    kv/x: shop/six (unless nodePublishSecretRef has a credential)\n"
          "    helm: --set-string 'config.providers.vault.nodeCredentialPaths=kv/x'\n");
  REQUIRE(bed.Run({"validate", "-o", "json", "-f", config, classes}) == kExitOk);
  const Result<Json> json = ParseJson(bed.out);
  REQUIRE(json.ok());
  const Json& needed = (*json)["neededSettings"];
  REQUIRE(needed.size() == 3);
  CHECK(needed[2]["setting"].as_string() == "providers.vault.nodeCredentialPaths");
  CHECK(needed[2]["value"].as_string() == "kv/x");
  CHECK(needed[2]["classes"][0]["class"].as_string() == "shop/six");
  CHECK(needed[2]["classes"][0]["unlessSecret"].as_bool());
}

TEST_CASE("validate: a class that asks to be refreshed too often is noted, not refused") {
  CommandBed bed;
  const auto text = [](const std::string& provider, const std::string& parameters) {
    return "---\napiVersion: secrets-store.csi.x-k8s.io/v1\nkind: SecretProviderClass\n"
           "metadata: {name: " +
           provider +
           ", namespace: shop}\n"
           "spec: {provider: " +
           provider + ", parameters: {nodekeep/refreshAfter: 5s, " + parameters + "}}\n";
  };
  const std::string classes = bed.Write(
      "classes.yaml",
      text("vault",
           R"(roleName: r, objects: "- {objectName: a, secretPath: kv/x, secretKey: k}")") +
          text("dev", R"(objects: "- {objectName: a}")"));
  CHECK(bed.Run({"validate", "-f", classes}) == kExitOk);
  CHECK(bed.OutHas("note: " + classes +
                   ": SecretProviderClass shop/vault: nodekeep/refreshAfter is "
                   "5s; the node allows no less than 10s (policy.refreshAfterMin), which is used\n"
                   "ok: 2 SecretProviderClasses"));
  const std::string config = bed.Write("nodekeep.yaml", "policy: {refreshAfterMin: 5s}\n");
  CHECK(bed.Run({"validate", "-f", config, classes}) == kExitOk);
  CHECK_FALSE(bed.OutHas("note: "));
}

TEST_CASE("validate: the environment of the shell is ignored") {
  CommandBed bed;
  bed.environment = {{"NODEKEEP_LOG_LEVEL", "loud"}};
  CHECK(bed.Run({"validate", "-f", bed.Write("nodekeep.yaml", "log: {format: text}\n")}) ==
        kExitOk);
}

TEST_CASE("get: --explain prints the plan without network access and without a token") {
  CommandBed bed;
  bed.environment = {{"NODEKEEP_DEV_PATH", "/no/such/store.yaml"}};
  REQUIRE(bed.Run({"get", "-f", bed.Write("class.yaml", kDevClass), "--namespace", "shop", "--pod",
                   "web-0", "--explain"}) == kExitOk);
  CHECK(bed.OutHas("provider: dev\n"));
  CHECK(bed.OutHas("pod: shop/web-0\n"));
  CHECK(bed.OutHas("file: password"));
}

TEST_CASE("get: --explain accepts the samples of every provider") {
  for (const ProviderEntry& entry : ProviderRegistry()) {
    INFO(entry.name);
    CommandBed bed;
    const int exit = bed.Run(
        {"get", "-f", fmt::format("{}/providers/{}/sample.yaml", NODEKEEP_SOURCE_DIR, entry.name),
         "--name", fmt::format("shop-{}", entry.name), "--explain"});
    INFO(bed.err);
    CHECK(exit == kExitOk);
    CHECK(bed.OutHas(fmt::format("provider: {}\n", entry.name)));
    CHECK(bed.OutHas("\nfile: "));
  }
}

TEST_CASE("get: --dry-run fetches and shows no content, --out writes the files") {
  CommandBed bed;
  bed.environment = {{"NODEKEEP_DEV_PATH", bed.Write("store.yaml", kStore)}};
  const std::string manifest = bed.Write("class.yaml", kDevClass);
  const int dry = bed.Run({"get", "-f", manifest, "--dry-run"});
  INFO(bed.err);
  REQUIRE(dry == kExitOk);
  CHECK(bed.OutHas("password"));
  CHECK(bed.OutHas("12 B"));
  CHECK_FALSE(bed.OutHas("the-password"));

  const std::string directory = bed.directory + "/out";
  REQUIRE(bed.Run({"get", "-f", manifest, "--out", directory, "-o", "json"}) == kExitOk);
  CHECK_FALSE(bed.OutHas("the-password"));
  const Result<Json> json = ParseJson(bed.out);
  REQUIRE(json.ok());
  CHECK((*json)["files"][0]["bytes"].as<int>() == 12);
  CHECK(ReadText(directory + "/password") == "the-password");
  struct stat info {};
  REQUIRE(stat(directory.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0700);

  REQUIRE(bed.Run({"get", "-f", manifest, "--out", directory}) == kExitOk);
  CHECK(bed.OutHas("already up to date"));
}

TEST_CASE("get: invalid arguments are errors that name the fault") {
  CommandBed bed;
  const std::string manifest = bed.Write("class.yaml", kDevClass);
  struct Row {
    std::vector<std::string> arguments;
    std::string err;
  };
  const Row rows[] = {
      {{"--token-file", "vault"}, "--token-file vault: write AUDIENCE=FILE"},
      {{"--token-file", "vault=/no/such"}, "--token-file: read /no/such: No such file"},
      {{"--token-file", "vault=" + bed.Write("empty", "\n")}, "the file is empty"},
      {{"--name", "other"}, "no SecretProviderClass \"other\" in it; it has app"},
  };
  for (const Row& row : rows) {
    std::vector<std::string> arguments = {"get", "-f", manifest, "--explain"};
    arguments.insert(arguments.end(), row.arguments.begin(), row.arguments.end());
    CHECK(bed.Run(arguments) == kExitFailed);
    INFO(bed.err);
    CHECK(bed.ErrHas(row.err));
  }
}

TEST_CASE("completion: bash completes commands, flags, fixed values and files") {
  Tree tree;
  const std::string script = tree.bed.Write("completion.bash", BashCompletion(*tree.root));
  std::filesystem::create_directory(tree.bed.directory + "/files");
  tree.bed.Write("files/only.yaml", "");
  struct Row {
    std::string words, want;  // the last word is the one to complete
  };
  const Row rows[] = {
      {"nodekeep ru", "run"},
      {"nodekeep config p", "print"},
      {"nodekeep cache list --ti", "--timeout"},
      {"nodekeep run --log", "--log-level"},
      {"nodekeep run --providers de", "dev"},
      {"nodekeep status -o j", "json"},
      {"nodekeep status --admin-socket x -o y", "yaml"},
      {"nodekeep completion f", "fish"},
      {"nodekeep refresh --a", "--admin-socket --all"},
      {"nodekeep run --config on", "only.yaml"},
      {"nodekeep status ru", ""},
  };
  for (const Row& row : rows) {
    INFO(row.words);
    const std::string command =
        "cd " + tree.bed.directory + "/files && bash -c 'source ../completion.bash; COMP_WORDS=(" +
        row.words + "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _nodekeep; echo ${COMPREPLY[@]}'";
    FILE* pipe = popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    char line[1024] = "";
    REQUIRE(fgets(line, sizeof(line), pipe) != nullptr);
    CHECK(pclose(pipe) == 0);
    CHECK(std::string(line) == row.want + "\n");
  }
}

TEST_CASE("completion: every script has every command and every long flag") {
  Tree tree;
  const std::string bash = BashCompletion(*tree.root);
  const std::string zsh = ZshCompletion(*tree.root);
  const std::string fish = FishCompletion(*tree.root);
  ForEachCommand(*tree.root, {}, [&](const CLI::App& app, const std::vector<std::string>& path) {
    if (!path.empty()) {
      INFO(path.back());
      CHECK(bash.find(path.back()) != std::string::npos);
      CHECK(zsh.find("'" + path.back() + ":") != std::string::npos);
      CHECK(fish.find(" -a " + path.back() + " ") != std::string::npos);
    }
    for (const CLI::Option* option : app.get_options()) {
      for (const std::string& name : option->get_lnames()) {
        INFO(name);
        CHECK(bash.find("--" + name) != std::string::npos);
        CHECK(zsh.find("--" + name + "[") != std::string::npos);
        CHECK(fish.find(" -l " + name) != std::string::npos);
      }
    }
  });
}

TEST_CASE("docs: docs/configuration.md equals the table of settings") {
  const std::string page = ReadText(NODEKEEP_SOURCE_DIR "/docs/configuration.md");
  REQUIRE_FALSE(page.empty());
  INFO("to update it: make generate");
  CHECK(page.find(SettingsMarkdown(ProviderRegistry())) != std::string::npos);
}

TEST_CASE("docs: docs/cli.md has a section for every command with all of its flags") {
  const std::string page = ReadText(NODEKEEP_SOURCE_DIR "/docs/cli.md");
  REQUIRE_FALSE(page.empty());
  Tree tree;
  ForEachCommand(*tree.root, {}, [&](const CLI::App& app, const std::vector<std::string>& path) {
    if (path.empty() || path.back() == "cache" || path.back() == "config") return;
    std::string name = "nodekeep";
    for (const std::string& word : path) name += " " + word;
    INFO(name);
    const std::size_t start = page.find("\n## " + name + "\n");
    REQUIRE(start != std::string::npos);
    const std::string section = page.substr(start, page.find("\n## ", start + 1) - start);
    std::vector<const CLI::App*> parts = app.get_subcommands([](const CLI::App*) { return true; });
    parts.push_back(&app);
    for (const CLI::App* part : parts) {
      for (const CLI::Option* option : part->get_options()) {
        for (const std::string& flag : option->get_lnames()) {
          if (flag == "help") continue;
          INFO(flag);
          CHECK(section.find("`--" + flag) != std::string::npos);
        }
      }
    }
  });
}

TEST_CASE("docs: the sample configuration is valid and changes only what it shows") {
  CommandBed bed;
  CHECK(bed.Run({"validate", "-f", NODEKEEP_SOURCE_DIR "/deploy/nodekeep.yaml"}) == kExitOk);
  INFO(bed.out);
  CHECK(bed.OutHas("1 configuration"));
}

}  // namespace
}  // namespace nodekeep
