#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "server/commands.h"
#include "server/doctor.h"
#include "server/exit_code.h"
#include "server/json_text.h"
#include "server/version.h"

namespace ragtime::server {

int config_command(Invocation& invocation) {
  const auto& [settings, file] = invocation.configuration;
  if (invocation.json) {
    invocation.out.write(configuration_to_json(settings));
    return kExitDone;
  }
  invocation.out.line(invocation.out.styled(Style::dim, "# from " + (file.empty() ? "the defaults" : file)));
  invocation.out.write(configuration_to_toml(settings));
  for (const auto& sentence : settings_without_effect(settings)) {
    invocation.err.line(invocation.err.styled(Style::yellow, "note:") + " " + sentence);
  }
  return kExitDone;
}

int doctor_command(Invocation& invocation) {
  const Report report = examine(invocation.configuration);
  if (invocation.json) {
    invocation.out.write(report_json(report));
  } else {
    print_report(report, invocation.out);
  }
  return report.broken() ? kExitFailed : kExitDone;
}

int version_command(Invocation& invocation) {
  if (invocation.json) {
    boost::json::object out;
    for (const auto& [label, value] : build_description()) out[label] = value;
    invocation.out.line(pretty_json(out));
    return kExitDone;
  }
  for (const auto& [label, value] : build_description()) {
    invocation.out.line(fmt::format("{:9} {}", label == "version" ? "ragtime" : label, value));
  }
  return kExitDone;
}

}  // namespace ragtime::server
