/* SPDX-License-Identifier: MIT
 * Draws the charts of the page; the tables below them stay for those who cannot see them. Makes couplings answer to pointer,
 * touch and keys; the maps below them stay for print. */
(function () {
  'use strict';
  var ink = { labelColor: 'currentColor', titleColor: 'currentColor', labelFontSize: 12, titleFontSize: 12 };
  var config = {
    background: null, font: 'system-ui, sans-serif', view: { stroke: null },
    axis: Object.assign({ domainColor: 'currentColor', tickColor: 'currentColor', gridColor: '#8886', gridOpacity: 0.5 }, ink),
    legend: Object.assign({ orient: 'top', labelLimit: 260, symbolStrokeColor: 'currentColor' }, ink),
    text: { color: 'currentColor' }
  };

  function draw(figure) {
    var spec = JSON.parse(figure.querySelector('script').textContent);
    spec.width = 'container';
    spec.autosize = { type: 'fit-x', contains: 'padding' };
    var compiled = vegaLite.compile(spec, { config: config }).spec;
    new vega.View(vega.parse(compiled), { renderer: 'svg', logLevel: vega.Error })
      .initialize(figure.querySelector('.draw')).runAsync()
      .then(function () { figure.classList.add('drawn'); }, function (e) { console.error(e); });
  }

  if (window.vega && window.vegaLite)
    document.querySelectorAll('.chart').forEach(draw);

  // A coupling: value(a, b) of cell a of the first side and b of the second. `at` is the cell pointed at, `kept` the one that
  // was chosen by a click or a key and comes back when the pointer leaves.
  function couple(box) {
    var about = JSON.parse(box.querySelector('.about').textContent), scale = about.scale;
    var bytes = atob(box.querySelector('.values').textContent), said = box.querySelector('.said');
    var sides = about.sides.map(function (s, i) {
      s.element = box.querySelectorAll('.side')[i];
      s.buttons = s.rows ? [] : Array.prototype.slice.call(s.element.children);
      s.n = s.totals.length;
      return s;
    });
    var kept = null, at = null;

    function value(a, b) { return (bytes.charCodeAt(a * sides[1].n + b) - 128) / 127 * scale; }
    function number(x) { return (x < 0 ? '\u2212' : '+') + Math.abs(x).toPrecision(2); }
    function name(s, cell) {
      if (!s.rows) return s.buttons[cell].firstChild.textContent;
      return s.name + (s.rows === 1 ? ', moment ' + (cell + 1) + ' of ' + s.n :
        ', row ' + (Math.floor(cell / s.cols) + 1) + ', column ' + (cell % s.cols + 1));
    }
    function colour(which) {
      return getComputedStyle(document.documentElement).getPropertyValue(which).split(',').map(Number);
    }

    // values [n] or null for none; t = value / full.
    function light(s, values, full, mark) {
      if (s.rows) return paint(s, values, full, mark);
      s.buttons.forEach(function (b, i) {
        var t = values ? Math.max(-1, Math.min(1, values[i] / full)) : 0;
        b.className = (Math.abs(t) < 0.08 ? '' : t > 0 ? 'plus' : 'minus') + (i === mark ? ' at' : '');
        b.style.setProperty('--a', (0.65 * Math.abs(t)).toFixed(2));
        if (values) b.dataset.value = number(values[i]); else delete b.dataset.value;
        b.setAttribute('aria-pressed', String(!!kept && kept.side === s && kept.cell === i));
      });
    }

    function paint(s, values, full, mark) {
      var canvas = s.element.querySelector('canvas'), zoom = s.rows === 1 ? 12 : 10;
      var tall = s.rows === 1 ? 120 : s.rows * zoom, pen = canvas.getContext('2d');
      canvas.width = s.cols * zoom;
      canvas.height = tall;
      var image = pen.createImageData(canvas.width, tall), warm = colour('--warm'), cold = colour('--cold');
      for (var y = 0; values && y < tall; y++)
        for (var x = 0; x < canvas.width; x++) {
          var cell = Math.floor(y * s.rows / tall) * s.cols + Math.floor(x / zoom);
          var t = Math.max(-1, Math.min(1, values[cell] / full)), c = t < 0 ? cold : warm, i = 4 * (y * canvas.width + x);
          var hatch = t < -0.15 && (x + y) % 5 === 0 ? 0.3 : 1;
          for (var k = 0; k < 3; k++) image.data[i + k] = c[k];
          image.data[i + 3] = hatch * 235 * Math.pow(Math.abs(t), 0.8);
        }
      pen.putImageData(image, 0, 0);
      if (mark === null) return;
      pen.lineWidth = 3;
      ['#fff', '#000'].forEach(function (ink, k) {
        pen.strokeStyle = ink;
        pen.lineWidth = 4 - 2 * k;
        pen.strokeRect(mark % s.cols * zoom + 1, s.rows === 1 ? 1 : Math.floor(mark / s.cols) * zoom + 1, zoom - 2,
          s.rows === 1 ? tall - 2 : zoom - 2);
      });
    }

    function show() {
      var now = at || kept;
      if (!now) {
        sides.forEach(function (s) {
          light(s, s.rows ? null : s.totals, Math.max.apply(null, s.totals.map(Math.abs)) || 1, null);
        });
        said.textContent = 'Shown is what each adds in all. Point at one to see what goes with it.';
        return;
      }
      var from = now.side, to = sides[from === sides[0] ? 1 : 0], values = [], best = 0;
      for (var i = 0; i < to.n; i++) {
        values.push(to === sides[1] ? value(now.cell, i) : value(i, now.cell));
        if (values[i] > values[best]) best = i;
      }
      light(from, null, 1, now.cell);
      light(to, values, Math.max(scale / 4, Math.max.apply(null, values.map(Math.abs))), null);
      said.textContent = name(from, now.cell) + ' (in all ' + number(from.totals[now.cell]) + ') goes most with ' +
        name(to, best) + ' (' + number(values[best]) + ').';
    }
    function point(side, cell) { at = { side: side, cell: cell }; show(); }
    function leave() { at = null; show(); }
    function keep(side, cell) {
      kept = kept && kept.side === side && kept.cell === cell ? null : { side: side, cell: cell };
      at = null;
      show();
    }
    function step(s, cell, key) {
      var cols = s.rows ? s.cols : s.n, x = cell % cols, y = Math.floor(cell / cols), rows = s.rows || 1;
      var move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: s.rows ? [0, -1] : [-1, 0], ArrowDown: s.rows ? [0, 1] : [1, 0] }[key];
      if (!move) return -1;
      return Math.max(0, Math.min(rows - 1, y + move[1])) * cols + Math.max(0, Math.min(cols - 1, x + move[0]));
    }

    sides.forEach(function (s) {
      function spot(e) {
        var r = s.element.getBoundingClientRect(), x = (e.clientX - r.left) / r.width, y = (e.clientY - r.top) / r.height;
        var col = Math.max(0, Math.min(s.cols - 1, Math.floor(x * s.cols)));
        return Math.max(0, Math.min(s.rows - 1, Math.floor(y * s.rows))) * s.cols + col;
      }
      s.element.addEventListener('pointerleave', leave);
      s.element.addEventListener('keydown', function (e) {
        var from = kept && kept.side === s ? kept.cell : s.rows ? Math.floor(s.rows / 2) * s.cols + Math.floor(s.cols / 2) : s.buttons.indexOf(e.target);
        var cell = step(s, from, e.key);
        if (e.key === 'Escape') kept = null;
        else if (cell < 0) return;
        else kept = { side: s, cell: cell };
        at = null;
        e.preventDefault();
        if (cell >= 0 && !s.rows) s.buttons[cell].focus();
        show();
      });
      if (s.rows) {
        s.element.addEventListener('pointermove', function (e) { if (e.pointerType !== 'touch') point(s, spot(e)); });
        s.element.addEventListener('click', function (e) { keep(s, spot(e)); });
      }
      s.buttons.forEach(function (b, i) {
        b.addEventListener('pointerenter', function (e) { if (e.pointerType !== 'touch') point(s, i); });
        b.addEventListener('focus', function () { if (b.matches(':focus-visible')) { kept = { side: s, cell: i }; at = null; show(); } });
        b.addEventListener('click', function (e) {
          if (e.detail === 0 && kept && kept.side === s && kept.cell === i) return; // Enter on what focus has chosen
          keep(s, i);
        });
      });
    });
    window.addEventListener('recolour', show);
    box.classList.add('on');
    show();
  }
  document.querySelectorAll('.coupling').forEach(couple);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', function () { window.dispatchEvent(new Event('recolour')); });

  window.addEventListener('beforeprint', function () {
    document.querySelectorAll('details').forEach(function (d) { d.open = true; });
  });
})();
