"use strict";
// What the page and the viewer make their parts by: text is never read as HTML.
function made(tag, given = {}, ...inside) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name === "class") one.className = value;
    else if (name.startsWith("on")) one.addEventListener(name.slice(2), value);
    else one.setAttribute(name, value);
  }
  one.append(...inside.filter((part) => part !== null));
  return one;
}

