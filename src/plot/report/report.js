"use strict";
// x(λ), the residual, the norms and the marks of every figure for the λ of the slider: the sums of src/plot/view.rs, once more.
(() => {
  const element = (id) => document.getElementById(id);
  const data = JSON.parse(element("data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const doubles = (text) => new Float64Array(bytes(text));
  data.values = doubles(data.values);
  data.coefficients = doubles(data.coefficients);
  const modes = data.modes;
  if (modes) {
    for (const name of ["values", "coefficients", "scales", "limit", "residual", "free", "unseen"]) modes[name] = doubles(modes[name]);
    for (const name of ["solution", "data"]) modes[name] = modes.bits === 64 ? doubles(modes[name]) : new Float32Array(bytes(modes[name]));
  }

  // φ = σ²/(σ² + d²) and 1 − φ, each with its own digits
  const filter = (value, damping) => {
    if (value === 0) return [0, 1];
    const square = (damping / value) ** 2;
    if (square === Infinity) return [(value / damping) ** 2, 1];
    const phi = 1 / (1 + square);
    return [phi, square * phi];
  };
  // σ/(σ² + d²)
  const damped = (value, damping) => {
    if (value === 0) return 0;
    if (value >= damping) return 1 / (value * (1 + (damping / value) ** 2));
    const ratio = value / damping;
    return ratio / (damping * (1 + ratio * ratio));
  };

  // what is rounding counts as 0 for a damping below it
  const effective = (value, damping, floor) => (value <= floor && damping < floor ? 0 : value);

  const at = (lambda) => {
    const damping = Math.sqrt(lambda) / data.unitValue;
    let rho = data.outside * data.outside;
    let eta = 0;
    let kept = 0;
    let left = 0;
    data.values.forEach((sigma, i) => {
      const value = effective(sigma, damping, data.floor);
      const [phi, f] = filter(value, damping);
      rho += (f * data.coefficients[i]) ** 2;
      eta += (damped(value, damping) * data.coefficients[i]) ** 2;
      kept += phi;
      left += f;
    });
    const trace = left + Math.max(0, data.rows - data.unpenalised - data.values.length);
    const residual = data.unitData * Math.sqrt(rho);
    return {
      lambda,
      damping: Math.sqrt(lambda),
      dof: data.unpenalised + kept,
      trace,
      residual,
      penalty: (data.unitData / data.unitValue) * Math.sqrt(eta),
      gcv: data.rows * (residual / trace) ** 2,
    };
  };

  const sum = (start, columns, weights) => {
    const out = Float64Array.from(start);
    const n = out.length;
    weights.forEach((weight, k) => {
      if (weight !== 0) for (let i = 0, place = k * n; i < n; i++, place++) out[i] += weight * columns[place];
    });
    return out;
  };
  const values = (damping) => modes.values.map((v) => effective(v, damping, data.floor * data.unitValue));
  const solution = (lambda) => {
    const damping = Math.sqrt(lambda);
    return sum(modes.limit, modes.solution, values(damping).map((v, k) => damped(v, damping) * modes.coefficients[k] * modes.scales[k]));
  };
  const residual = (lambda) => {
    const damping = Math.sqrt(lambda);
    return sum(modes.residual, modes.data, values(damping).map((v, k) => -filter(v, damping)[0] * modes.coefficients[k]));
  };
  const deviation = (now) => {
    const noise = now.residual / Math.sqrt(now.trace);
    if (!(modes.real && now.trace > 1e-6 * data.rows && Number.isFinite(noise))) return null;
    const n = modes.n;
    const variance = modes.free.map((v, i) => v + (modes.posterior ? modes.unseen[i] / now.lambda : 0));
    values(now.damping).forEach((value, k) => {
      const weight = (modes.posterior ? 1 / Math.hypot(value, now.damping) : damped(value, now.damping)) * modes.scales[k];
      for (let i = 0; i < n; i++) variance[i] += (weight * modes.solution[k * n + i]) ** 2;
    });
    return variance.map((v) => noise * Math.sqrt(v));
  };
  let table = null;
  const periodogram = (r) => {
    const m = r.length;
    const q = Math.floor(m / 2);
    const unit = r.reduce((u, v) => Math.max(u, Math.abs(v)), 0);
    if (q === 0 || !(unit > 0)) return [];
    table ??= Array.from(r, (_, k) => [Math.cos((2 * Math.PI * k) / m), Math.sin((2 * Math.PI * k) / m)]);
    let total = 0;
    const sums = [];
    for (let k = 1; k <= q; k++) {
      let re = 0;
      let im = 0;
      for (let i = 0, place = 0; i < m; i++) {
        re += (r[i] / unit) * table[place][0];
        im -= (r[i] / unit) * table[place][1];
        place += k;
        if (place >= m) place -= m;
      }
      total += re * re + im * im;
      sums.push(total);
    }
    return sums.map((s) => s / total);
  };

  // numbers as the rest of the page writes them
  const superscript = (e) => String(e).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);
  const number = (value) => {
    if (Number.isNaN(value)) return "undefined";
    if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
    if (value === 0) return "0";
    const [mantissa, power] = value.toExponential(3).split("e");
    const e = Number(power);
    const trim = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text).replace("-", "−");
    if (e >= -3 && e < 5) return trim(value.toFixed(Math.max(0, 3 - e)));
    return trim(mantissa) === "1" ? "10" + superscript(e) : trim(mantissa) + "·10" + superscript(e);
  };

  // where values lie in a figure
  const figure = (id) => {
    const svg = element(id);
    if (!svg) return null;
    const [left, top, width, height] = svg.dataset.frame.split(" ").map(Number);
    const axis = (text) => {
      const [scale, low, high] = text.split(" ");
      const place = scale === "log" ? Math.log10 : (v) => v;
      const [a, b] = [place(Number(low)), place(Number(high))];
      return (v) => (scale === "log" && !(v > 0) ? NaN : Math.min(20, Math.max(-20, (place(v) - a) / (b - a))));
    };
    const [x, y] = [axis(svg.dataset.x), axis(svg.dataset.y)];
    const across = (v) => left + x(v) * width;
    const up = (v) => top + height - y(v) * height;
    const part = (name) => element(`${id}-${name}`);
    const path = (points) => {
      let broken = true;
      return points
        .map(([px, py]) => {
          const [h, v] = [across(px), up(py)];
          if (!Number.isFinite(h) || !Number.isFinite(v)) {
            broken = true;
            return "";
          }
          const command = broken ? "M" : "L";
          broken = false;
          return `${command}${h.toFixed(2)} ${v.toFixed(2)}`;
        })
        .join("");
    };
    return {
      line: (name, points) => part(name)?.setAttribute("d", path(points)),
      band: (name, points) => {
        const there = points.every((p) => p.every(Number.isFinite));
        const d = there ? path(points.map(([i, , b]) => [i, b])) + path(points.map(([i, a]) => [i, a]).reverse()).replace("M", "L") + "Z" : "";
        part(name)?.setAttribute("d", d);
      },
      dot: (name, h, v) => {
        const shape = part(name)?.querySelector("path");
        if (shape && Number.isFinite(across(h)) && Number.isFinite(up(v)))
          shape.setAttribute("d", shape.getAttribute("d").replace(/^M\S+ [-\d.]+/, `M${across(h).toFixed(2)} ${up(v).toFixed(2)}`));
      },
      place: (name, v) => part(name)?.setAttribute("d", `M${across(v).toFixed(2)} ${top.toFixed(2)}v${height.toFixed(2)}`),
      level: (name, v) => part(name)?.setAttribute("d", `M${left.toFixed(2)} ${up(v).toFixed(2)}h${width.toFixed(2)}`),
      part,
    };
  };
  const figures = Object.fromEntries(
    ["solution", "l_curve", "criteria", "picard", "residual", "periodogram", "path"].map((id) => [id, figure(id)]),
  );

  const colours = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];
  const paint = (image, { rows, columns, low, high }, x) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [columns, rows];
    const context = canvas.getContext("2d");
    const dots = context.createImageData(columns, rows);
    x.forEach((value, i) => {
      const place = Math.min(1, Math.max(0, (value - low) / (high - low))) * (colours.length - 1);
      const k = Math.min(Math.floor(place), colours.length - 2);
      // x lies column after column
      const dot = 4 * ((i % rows) * columns + Math.floor(i / rows));
      for (let c = 0; c < 3; c++) dots.data[dot + c] = Math.round(colours[k][c] * (1 - place + k) + colours[k + 1][c] * (place - k));
      dots.data[dot + 3] = 255;
    });
    context.putImageData(dots, 0, 0);
    image.setAttribute("href", canvas.toDataURL());
  };

  const slider = element("slider");
  let current = data.lambda;
  const draw = (lambda) => {
    current = lambda;
    const now = at(lambda);
    slider.value = Math.log10(lambda);
    slider.setAttribute("aria-valuetext", `λ = ${number(lambda)}`);
    element("now-lambda").textContent = `λ = ${number(lambda)}`;
    element("paper").textContent = `Orange marks and curves are drawn for λ = ${number(lambda)}.`;
    for (const name of ["damping", "dof", "residual", "penalty", "gcv"]) element(`now-${name}`).textContent = number(now[name]);
    figures.l_curve?.dot("here", now.residual, now.penalty);
    figures.criteria?.place("here", lambda);
    figures.path?.place("here", lambda);
    if (figures.picard) {
      figures.picard.level("here", now.damping);
      const unit = data.unitData / data.unitValue;
      const points = Array.from(data.values, (v, i) => [i + 1, damped(v, now.damping / data.unitValue) * data.coefficients[i] * unit]);
      figures.picard.line("filtered", points);
    }
    if (!modes) return;
    const x = solution(lambda);
    element("now-largest").textContent = number(x.reduce((a, v) => Math.max(a, Math.abs(v)), 0));
    if (data.picture) {
      const image = figures.solution?.part("x");
      if (image) paint(image, data.picture, x);
    } else if (figures.solution) {
      figures.solution.line("x", Array.from(x, (v, i) => [i + 1, v]));
      const d = figures.solution.part("band") && deviation(now);
      figures.solution.band("band", d ? Array.from(x, (v, i) => [i + 1, v - d[i], v + d[i]]) : []);
    }
    const r = residual(lambda);
    figures.residual?.line("r", Array.from(r, (v, i) => [i + 1, v]));
    if (figures.periodogram) figures.periodogram.line("c", [[0, 0], ...periodogram(r).map((c, i) => [i + 1, c])]);
  };

  let waiting = null;
  const show = (lambda) => {
    if (waiting === null) requestAnimationFrame(() => {
      const next = waiting;
      waiting = null;
      draw(next);
    });
    waiting = lambda;
  };
  slider.min = Math.log10(data.low);
  slider.max = Math.log10(data.high);
  slider.step = 0.01;
  slider.addEventListener("input", () => show(10 ** slider.valueAsNumber));
  element("back").addEventListener("click", () => show(data.lambda));
  for (const button of document.querySelectorAll("button.go")) button.addEventListener("click", () => show(Number(button.dataset.lambda)));
  element("controls").addEventListener("submit", (event) => event.preventDefault());
  if (!modes) element("now-largest").parentElement.hidden = true;
  element("controls").hidden = false;
  element("paper").hidden = false;
  draw(data.lambda);

  // for the console
  globalThis.wellposed = {
    get lambda() {
      return current;
    },
    show,
    at,
    solution: modes ? (lambda) => Array.from(solution(lambda)) : null,
    residual: modes ? (lambda) => Array.from(residual(lambda)) : null,
    deviation: modes ? (lambda) => Array.from(deviation(at(lambda)) ?? []) : null,
    periodogram: modes ? (lambda) => periodogram(residual(lambda)) : null,
  };
})();
