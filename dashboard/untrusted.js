// Builds elements from boxes. Texts become text nodes and are never parsed; nothing else of the data is used but a class
// name of letters, a colour of six digits and a number, and all three are checked here again.
const TAGS = { fold: "details", open: "details", call: "details", verified: "mark", unverified: "mark", hit: "mark", pre: "pre" };

function build(part, tag) {
  if (typeof part === "string") return document.createTextNode(part);
  const element = document.createElement(tag || (Object.hasOwn(TAGS, part.k) ? TAGS[part.k] : "div"));
  if (/^[a-z][a-z-]*$/.test(part.k)) element.classList.add(part.k);
  if (part.c && /^#[0-9a-f]{6}$/.test(part.c)) element.style.setProperty("--colour", part.c);
  if (typeof part.s === "number") element.style.setProperty("--shade", String(part.s));
  if (part.k === "open") element.open = true;
  part.p.forEach((each, place) => {
    const first = place === 0 && element instanceof HTMLDetailsElement;
    if (first) {
      const summary = document.createElement("summary");
      summary.append(build(each));
      element.append(summary);
    } else {
      element.append(build(each));
    }
  });
  return element;
}

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".root");
  const told = JSON.stringify(data);
  if (root.told === told) return; // what a reader has unfolded stays so when nothing has changed
  root.told = told;
  root.replaceChildren(...(data || []).map((each) => build(each)));
}
