// The report of a bench as one HTML page that needs nothing else: tables, latency curves and a timeline as SVG, in
// Chinese and English.
//
// Thread safety: pure function.
#pragma once

#include <string>

#include "load/load_report.h"

namespace ragtime::load {

std::string report_page(const LoadReport& report);

}  // namespace ragtime::load
