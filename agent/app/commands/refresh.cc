#include <fmt/format.h>

#include "agent/app/commands/commands.h"
#include "agent/app/render.h"

namespace nodekeep {
namespace {

using admin::v1::RefreshResponse;

struct Options {
  std::string pod;
  std::string ref;
  bool all = false;
  std::shared_ptr<AgentFlags> agent;
  std::shared_ptr<std::string> output;
};

std::string Text(const RefreshResponse& response) {
  std::string text = fmt::format("{} cached secrets: {} read again, {} changed\n",
                                 response.matched(), response.asked(), response.changed());
  if (response.deferred() > 0) {
    text += fmt::format("{} without a live login will be read at their next mount\n",
                        response.deferred());
  }
  for (const std::string& error : response.errors()) {
    text += fmt::format("failed: {}\n", Printable(error));
  }
  return text;
}

int Refresh(CommandIo& io, const Options& options) {
  admin::v1::RefreshRequest request;
  if (options.all) request.set_all(true);
  if (!options.pod.empty()) request.set_pod(options.pod);
  if (!options.ref.empty()) request.set_ref_glob(options.ref);
  Result<AdminClient> client = options.agent->Connect(io);
  if (!client.ok()) return Fail(io, client.error());
  const Result<RefreshResponse> response = client->Refresh(request);
  if (!response.ok()) return Fail(io, response.error());
  if (response->matched() == 0 && !options.all) {
    return Fail(io, Error(ErrorCode::kNotFound,
                          "nothing that is cached matches; see `nodekeep cache list`"));
  }
  Print(io, *options.output, MessageAsJson(*response), [&] { return Text(*response); });
  return response->errors().empty() ? kExitOk : kExitFailed;
}

}  // namespace

void AddRefresh(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* command =
      root.add_subcommand("refresh", "Reads cached secrets again from the backends, at once");
  auto options = std::make_shared<Options>();
  CLI::Option_group* what = command->add_option_group("what", "What to refresh (one of these)");
  what->add_option("--pod", options->pod, "The secrets of this pod's last mount")
      ->type_name("NAMESPACE/NAME");
  what->add_option("--ref", options->ref,
                   "Secrets whose ref, as `cache list` shows it, matches; * ? [] are wildcards")
      ->type_name("GLOB");
  what->add_flag("--all", options->all, "Everything");
  what->require_option(1);
  options->agent = AddAgentFlags(*command, "1m");
  options->output = AddOutput(*command);
  Examples(*command,
           {"nodekeep refresh --pod shop/web-0",
            "nodekeep refresh --ref 'vault:secret/data/shop/*'", "nodekeep refresh --all"});
  command->callback([&chosen, options] {
    chosen.run = [&chosen, options] { return Refresh(chosen.io, *options); };
  });
}

}  // namespace nodekeep
