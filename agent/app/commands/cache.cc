#include <fmt/format.h>

#include "agent/app/commands/commands.h"
#include "agent/app/render.h"

namespace nodekeep {
namespace {

using admin::v1::CacheListResponse;

std::string Table(const CacheListResponse& list) {
  TextTable table({"REF", "LOGIN", "VERSION", "SIZE", "AGE", "STATE"});
  for (const auto& entry : list.entries()) {
    std::string state = entry.minted() ? "leased" : "read";
    if (entry.expired()) state += ", due";
    if (!entry.failure().empty()) state = "remembered " + entry.failure();
    table.Add({entry.ref(), entry.scope(), entry.version().empty() ? "-" : entry.version(),
               ShortSize(entry.bytes()), ShortDuration(entry.age_seconds()), state});
  }
  return table.empty() ? "the cache is empty\n" : table.Text();
}

}  // namespace

void AddCache(CLI::App& root, ChosenCommand& chosen) {
  CLI::App* cache = root.add_subcommand("cache", "Lists or flushes the cache of the agent");
  cache->require_subcommand(1);
  Examples(*cache, {"nodekeep cache list", "nodekeep cache flush"});

  CLI::App* list = cache->add_subcommand("list", "Lists every cached secret, without values");
  auto list_agent = AddAgentFlags(*list, "10s");
  auto list_output = AddOutput(*list);
  Examples(*list, {"nodekeep cache list", "nodekeep cache list -o yaml"});
  list->callback([&chosen, agent = list_agent, output = list_output] {
    chosen.run = [&chosen, agent, output] {
      Result<AdminClient> client = agent->Connect(chosen.io);
      if (!client.ok()) return Fail(chosen.io, client.error());
      const Result<CacheListResponse> entries = client->CacheList();
      if (!entries.ok()) return Fail(chosen.io, entries.error());
      Print(chosen.io, *output, MessageAsJson(*entries), [&] { return Table(*entries); });
      return kExitOk;
    };
  });

  CLI::App* flush = cache->add_subcommand(
      "flush", "Drops every cached secret, last good values too; the next mounts fetch them again");
  auto flush_agent = AddAgentFlags(*flush, "10s");
  auto flush_output = AddOutput(*flush);
  Examples(*flush, {"nodekeep cache flush"});
  flush->callback([&chosen, agent = flush_agent, output = flush_output] {
    chosen.run = [&chosen, agent, output] {
      Result<AdminClient> client = agent->Connect(chosen.io);
      if (!client.ok()) return Fail(chosen.io, client.error());
      const auto response = client->CacheFlush();
      if (!response.ok()) return Fail(chosen.io, response.error());
      Print(chosen.io, *output, MessageAsJson(*response),
            [&] { return fmt::format("{} entries dropped\n", response->dropped()); });
      return kExitOk;
    };
  });
}

}  // namespace nodekeep
