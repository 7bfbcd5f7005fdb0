#include "load/svg_chart.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "load/load_report.h"
#include "text/html_escape.h"

namespace ragtime::load {
namespace {

using text::escape_html;

constexpr double kWidth = 640;
constexpr double kHeight = 260;
constexpr double kLeft = 54;
constexpr double kRight = 16;
constexpr double kTop = 14;
constexpr double kBottom = 34;
constexpr int kTicks = 5;
constexpr double kLogarithmicFrom = 4;  // Narrower ranges read better on a plain axis.

struct Range {
  double low = 0;
  double high = 1;
};

double nice_step(double span) {
  const double raw = span / kTicks;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0, 10.0}) {
    if (power * factor >= raw) return power * factor;
  }
  return power * 10;
}

class Chart {
 public:
  Chart(const std::vector<ChartSeries>& series, const ChartAxes& axes) : series_(series), axes_(axes) { measure(); }

  std::string draw() const {
    std::string out = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img" class="chart">)", kWidth, kHeight);
    out += y_axis() + x_axis();
    for (const auto& one : series_) out += line(one);
    return out + "</svg>";
  }

 private:
  void measure() {
    double x_low = 1e300;
    double x_high = -1e300;
    double y_high = axes_.y_max;
    for (const auto& one : series_) {
      for (const auto& [x, y] : one.points) {
        if (axes_.x_logarithmic && x <= 0) continue;
        x_low = std::min(x_low, x);
        x_high = std::max(x_high, x);
        if (axes_.y_max == 0) y_high = std::max(y_high, y);
      }
    }
    if (x_low > x_high) x_low = x_high = 1;
    logarithmic_ = axes_.x_logarithmic && x_high > kLogarithmicFrom * x_low;
    if (logarithmic_) {
      x_ = {std::log10(x_low), std::log10(x_high)};
    } else {
      x_ = {x_low, x_high > x_low ? x_high : x_low + 1};
    }
    const double step = nice_step(std::max(y_high, 1e-9));
    y_ = {0, axes_.y_max > 0 ? axes_.y_max : step * std::ceil(y_high * 1.02 / step)};
    if (y_.high <= 0) y_.high = 1;
  }

  double at_x(double x) const {
    const double value = logarithmic_ ? std::log10(std::max(x, 1e-12)) : x;
    return kLeft + (std::clamp(value, x_.low, x_.high) - x_.low) / (x_.high - x_.low) * (kWidth - kLeft - kRight);
  }
  double at_y(double y) const { return kHeight - kBottom - y / y_.high * (kHeight - kTop - kBottom); }

  std::string y_axis() const {
    std::string out;
    const double step = nice_step(y_.high);
    for (double y = 0; y <= y_.high * 1.001; y += step) {
      out += fmt::format(
          R"(<line x1="{0}" x2="{1}" y1="{2:.1f}" y2="{2:.1f}" class="grid"/><text x="{3}" y="{4:.1f}" text-anchor="end">{5}{6}</text>)",
          kLeft, kWidth - kRight, at_y(y), kLeft - 6, at_y(y) + 4, tick(y), escape_html(axes_.y_unit));
    }
    return out;
  }

  std::string x_tick(double x) const {
    return fmt::format(
        R"(<line x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}" class="grid"/><text x="{0:.1f}" y="{3}" text-anchor="middle">{4} {5}</text>)",
        at_x(x), kTop, kHeight - kBottom, kHeight - kBottom + 18, tick(x), escape_html(axes_.x_unit));
  }

  std::string x_axis() const {
    std::string out;
    if (!logarithmic_) {
      const double step = nice_step(x_.high - x_.low);
      for (double x = std::ceil(x_.low / step) * step; x <= x_.high * 1.001; x += step) out += x_tick(x);
      return out;
    }
    const bool dense = x_.high - x_.low < 1.5;
    for (int power = static_cast<int>(std::floor(x_.low)); power <= x_.high; ++power) {
      for (const double factor : {1.0, 2.0, 5.0}) {
        const double value = factor * std::pow(10, power);
        if (std::log10(value) < x_.low || std::log10(value) > x_.high) continue;
        if (factor == 1.0 || dense) out += x_tick(value);
      }
    }
    return out;
  }

  std::string line(const ChartSeries& one) const {
    std::string points;
    for (const auto& [x, y] : one.points) points += fmt::format("{:.1f},{:.1f} ", at_x(x), at_y(y));
    return fmt::format(R"html(<polyline points="{}" class="line" style="stroke:var(--series-{})"><title>{}</title></polyline>)html",
                       points, one.colour % 6, escape_html(one.name));
  }

  static std::string tick(double value) {
    if (value == 0) return "0";
    if (std::abs(value) >= 10'000) return fmt::format("{:g}k", value / 1000);
    return fmt::format("{:g}", std::round(value * 1e6) / 1e6);
  }

  const std::vector<ChartSeries>& series_;
  const ChartAxes& axes_;
  bool logarithmic_ = false;
  Range x_;
  Range y_;
};

}  // namespace

std::string line_chart(const std::vector<ChartSeries>& series, const ChartAxes& axes) {
  return Chart(series, axes).draw();
}

}  // namespace ragtime::load
