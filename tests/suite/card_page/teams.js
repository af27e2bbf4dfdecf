// The look of Teams: the sizes, spaces and colours of the host configurations that Microsoft's card designer has for it.
"use strict";

const isDark = matchMedia("(prefers-color-scheme: dark)").matches;

const look = isDark
  ? { paper: "#2d2c2c", ground: "#292828", edge: "#666666", text: "#ffffff", subtle: "#bfffffff", accent: "#a6a7dc",
      good: "#92c353", warning: "#f8d22a", attention: "#d74654" }
  : { paper: "#ffffff", ground: "#f9f8f7", edge: "#666666", text: "#252424", subtle: "#bf252424", accent: "#6264a7",
      good: "#92c353", warning: "#f8d22a", attention: "#c4314b" };

const both = (color) => ({ default: color, subtle: color });

const foregroundColors = {
  default: { default: look.text, subtle: look.subtle },
  accent: both(look.accent),
  good: both(look.good),
  warning: both(look.warning),
  attention: both(look.attention),
};

const font = (fontFamily) => ({
  fontFamily,
  fontSizes: { small: 12, default: 14, medium: 14, large: 18, extraLarge: 24 },
  fontWeights: { lighter: 200, default: 400, bolder: 600 },
});

const fact = (weight) => ({ size: "Default", color: "Default", isSubtle: false, weight, wrap: true });

const TEAMS = {
  spacing: { small: 8, default: 12, medium: 16, large: 20, extraLarge: 24, padding: 16 },
  separator: { lineThickness: 1, lineColor: isDark ? "#484644" : "#eeeeee" },
  fontTypes: {
    default: font("'Segoe UI', 'Liberation Sans', sans-serif"),
    monospace: font("'Courier New', monospace"),
  },
  containerStyles: {
    default: { backgroundColor: look.paper, foregroundColors },
    emphasis: { backgroundColor: look.ground, foregroundColors },
  },
  actions: { maxActions: 6, spacing: "Default", buttonSpacing: 8, actionsOrientation: "Horizontal",
    actionAlignment: "Left" },
  factSet: { title: fact("Bolder"), value: fact("Default"), spacing: 16 },
};
