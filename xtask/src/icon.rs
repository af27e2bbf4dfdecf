//! The app's two icons in Teams: a check mark.

use anyhow::Context;

/// Behind the check mark, and Teams' accent colour for the app.
pub const GREEN: [u8; 3] = [0x1a, 0x7f, 0x37];

const WHITE: u8 = 0xff;

/// The corners of the check mark, from the middle of a square whose side is 1, downwards.
const MARK: [[f32; 2]; 3] = [[-0.40, 0.03], [-0.13, 0.30], [0.40, -0.28]];

/// Half the width of the check mark's line.
const HALF_WIDTH: f32 = 0.08;

/// 192 by 192 pixels: white on green, with the margin that Teams asks for.
pub fn color() -> anyhow::Result<Vec<u8>> {
    let pixel = |covered: f32| {
        let [red, green, blue] = GREEN.map(|under| blend(under, covered));
        [red, green, blue, WHITE]
    };
    draw(192, 0.6, pixel)
}

/// 32 by 32 pixels: white on nothing, from edge to edge.
pub fn outline() -> anyhow::Result<Vec<u8>> {
    draw(32, 1.0, |covered| [WHITE, WHITE, WHITE, blend(0, covered)])
}

/// White over another value.
fn blend(under: u8, covered: f32) -> u8 {
    let under = f32::from(under);
    (under + (f32::from(WHITE) - under) * covered).round() as u8
}

/// A PNG with the check mark enlarged by `scale`; `pixel` colours a pixel by how much of it, 0 to 1, the mark covers.
fn draw(side: u16, scale: f32, pixel: impl Fn(f32) -> [u8; 4]) -> anyhow::Result<Vec<u8>> {
    let length = f32::from(side) * scale;
    let from_middle = |at: u16| (f32::from(at) + 0.5 - f32::from(side) / 2.0) / length;
    let points = (0..side).flat_map(|y| (0..side).map(move |x| [from_middle(x), from_middle(y)]));
    let covered = points.map(|point| ((HALF_WIDTH - distance_to_mark(point)) * length + 0.5).clamp(0.0, 1.0));
    encode(side.into(), &covered.flat_map(pixel).collect::<Vec<_>>())
}

fn distance_to_mark(point: [f32; 2]) -> f32 {
    MARK.windows(2).map(|ends| distance_to_line(point, ends[0], ends[1])).fold(f32::INFINITY, f32::min)
}

/// The distance to the nearest point of the line between two points.
fn distance_to_line([x, y]: [f32; 2], [from_x, from_y]: [f32; 2], [to_x, to_y]: [f32; 2]) -> f32 {
    let (along_x, along_y) = (to_x - from_x, to_y - from_y);
    let projection = (x - from_x) * along_x + (y - from_y) * along_y;
    let at = (projection / (along_x * along_x + along_y * along_y)).clamp(0.0, 1.0);
    let (aside_x, aside_y) = (x - from_x - at * along_x, y - from_y - at * along_y);
    // Not `hypot`, whose last digit may differ between systems: the package is the same everywhere.
    (aside_x * aside_x + aside_y * aside_y).sqrt()
}

fn encode(side: u32, pixels: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut image = Vec::new();
    let mut encoder = png::Encoder::new(&mut image, side, side);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels).context("cannot encode an icon")?;
    writer.finish()?;
    Ok(image)
}
