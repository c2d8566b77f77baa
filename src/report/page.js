/* SPDX-License-Identifier: MIT
 * Draws the charts of the page; the tables below them stay for those who cannot see them. */
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
  window.addEventListener('beforeprint', function () {
    document.querySelectorAll('details').forEach(function (d) { d.open = true; });
  });
})();
