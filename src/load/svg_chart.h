// Line charts as SVG text, in colours of CSS variables so that they suit light and dark pages.
//
// Thread safety: pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace ragtime::load {

struct ChartSeries {
  std::string name;
  std::size_t colour = 0;  // Of --series-N.
  std::vector<std::pair<double, double>> points;  // Ascending in x.
};

struct ChartAxes {
  std::string x_unit;  // Short, behind the last number.
  std::string y_unit;
  bool x_logarithmic = false;
  double y_max = 0;  // 0: as the points say.
};

std::string line_chart(const std::vector<ChartSeries>& series, const ChartAxes& axes);

}  // namespace ragtime::load
