// A car's frames: a field and its bytes light up together.

import "./portal.js";
import "./vehicle.css";

const explained = document.getElementById("explained");
if (explained) {
  const light = (event, on) => {
    const run = event.target.closest("[data-run]");
    if (!run) return;
    for (const one of explained.querySelectorAll(`[data-run="${run.dataset.run}"]`)) one.classList.toggle("lit", on);
  };
  explained.addEventListener("pointerover", (event) => light(event, true));
  explained.addEventListener("pointerout", (event) => light(event, false));
}

document.body.dataset.ready = "vehicle";
