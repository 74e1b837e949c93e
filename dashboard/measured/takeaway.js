// Saves the chart beside these buttons as it stands on the page, and its numbers; nothing leaves the browser. The SVG is
// serialised by the browser, which escapes its texts, and the numbers are text.
const SCALE = 2; // pixels of the PNG for one of the page
const MARGIN = 8; // of the picture, in pixels of the page

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// Outside this page its font may be missing: every text keeps its width, else a wider font would run over the edges,
// which are drawn close and get a margin.
function fixed(chart) {
  const copy = chart.cloneNode(true);
  const { width, height } = chart.viewBox.baseVal;
  const [wide, high] = [width + 2 * MARGIN, height + 2 * MARGIN];
  copy.setAttribute("viewBox", `${-MARGIN} ${-MARGIN} ${wide} ${high}`);
  copy.setAttribute("width", wide);
  copy.setAttribute("height", high);
  const texts = chart.querySelectorAll("text");
  copy.querySelectorAll("text").forEach((text, place) => {
    const length = texts[place].getComputedTextLength();
    if (length) {
      text.setAttribute("textLength", length);
      text.setAttribute("lengthAdjust", "spacingAndGlyphs");
    }
  });
  return copy;
}

function drawn(parentElement) {
  const host = parentElement.getRootNode().host || parentElement;
  const chart = host.closest("[class*='st-key-figure-']")?.querySelector("svg.marks");
  return chart && new XMLSerializer().serializeToString(fixed(chart));
}

async function png(svg) {
  const image = new Image();
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svg);
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width * SCALE;
  canvas.height = image.height * SCALE;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

export default function ({ data, parentElement }) {
  const row = parentElement.querySelector(".take");
  const svg = () => drawn(parentElement);
  const ways = {
    PNG: async () => save(await png(svg()), `${data.name}.png`),
    SVG: () => save(new Blob([svg()], { type: "image/svg+xml" }), `${data.name}.svg`),
    CSV: () => save(new Blob([data.csv], { type: "text/csv" }), `${data.name}.csv`),
  };
  row.replaceChildren(
    ...data.ways.map((way) => {
      const button = document.createElement("button");
      button.textContent = way;
      button.title = way === "CSV" ? "save the numbers" : "save the chart";
      button.onclick = ways[way];
      return button;
    }),
  );
}
